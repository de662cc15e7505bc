"""What state a login is in: a matrix of files, last calls and clocks."""

import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.claude.account import Facts, Person, hide_person, judge, method_of, person_in
from app.claude.command import Installation
from app.claude.evidence import Evidence, Seen, from_json, kind_of, to_json
from app.claude.login_file import LoginFile
from app.errors import (
    CliCrashed,
    CliTimeout,
    InvalidRequest,
    NotSignedIn,
    Overloaded,
    PosternError,
    QueueFull,
    RateLimited,
    Resting,
    UnknownModel,
    UpstreamFailed,
)
from tests.support.login_files import ACCOUNT, DAY, EMAIL, text, write_account, write_login

# threat 36

NOW = 1_800_000_000.0
HOUR = 3600.0
FILE = ".credentials.json"
SOUND = LoginFile("sound", plan="max", refreshable=True, access_expires_at=NOW + HOUR, login_expires_at=NOW + 30 * DAY)

# What the file says, and whether it can go on without an administrator: fresh, ending within days, or at its end
FILES = {
    "fresh": (SOUND, "fresh"),
    "2.1.197, which tells no end": (replace(SOUND, login_expires_at=None), "fresh"),
    "to be renewed": (replace(SOUND, access_expires_at=NOW - 1), "due"),
    "to be renewed, 2.1.197": (replace(SOUND, access_expires_at=NOW - 1, login_expires_at=None), "due"),
    "no times at all": (LoginFile("sound", refreshable=True), "fresh"),
    "ends in 6 days": (replace(SOUND, login_expires_at=NOW + 6 * DAY), "ending"),
    "ends in 7 days": (replace(SOUND, login_expires_at=NOW + 7 * DAY), "fresh"),
    "ended": (replace(SOUND, login_expires_at=NOW), "ended"),
    "cannot be renewed": (replace(SOUND, refreshable=False), "ending"),
    "cannot be renewed, a year left": (replace(SOUND, refreshable=False, access_expires_at=NOW + 365 * DAY), "fresh"),
    "cannot be renewed, ended": (replace(SOUND, refreshable=False, access_expires_at=NOW - 1), "ended"),
}
BEFORE = Evidence(source=FILE, last_success_at=NOW - 30 * DAY)
LONG_AGO = replace(BEFORE, proved=True)
CALLS = {
    "none": Evidence(source=FILE),
    "none since it was signed in": BEFORE,
    "answered": LONG_AGO,
    "refused": LONG_AGO.failed(NotSignedIn("no"), NOW - 1),
    "refused, never answered": Evidence(source=FILE).failed(NotSignedIn("no"), NOW - 1),
    "failed": LONG_AGO.failed(UpstreamFailed("broken"), NOW - 1),
    "timed out": LONG_AGO.failed(CliTimeout("silent"), NOW - 1),
    "overloaded, never answered": Evidence(source=FILE).failed(Overloaded("busy"), NOW - 1),
    "failed, then answered": LONG_AGO.failed(UpstreamFailed("broken"), NOW - 40 * DAY).answered(NOW - 35 * DAY),
    "limited": LONG_AGO.failed(RateLimited("slow", retry_after=60), NOW - 1),
    "limited, never answered": Evidence(source=FILE).failed(RateLimited("slow", retry_after=60), NOW - 1),
    "limited until now": LONG_AGO.failed(RateLimited("slow", retry_after=60), NOW - 60),
    "a client's mistake": LONG_AGO.failed(InvalidRequest("no"), NOW - 1),
}


def expected(end: str, calls: str) -> str:
    if end == "ended" or (end == "due" and calls.startswith("refused")):
        return "expired"
    if calls in ("limited", "limited, never answered"):
        return "limited"
    if calls in ("refused", "refused, never answered", "failed", "timed out", "overloaded, never answered"):
        return "failing"
    if calls.startswith("none"):
        return "unknown"
    return "expiring" if end == "ending" else "connected"


def facts(login: LoginFile = SOUND, evidence: Evidence = LONG_AGO, source: str = FILE) -> Facts:
    return Facts(source, "subscription", login, Person(ACCOUNT, EMAIL, "Firm"), evidence, Path("/login"))


@pytest.mark.parametrize(("file", "calls"), [*itertools.product(FILES, CALLS)])
def test_the_state_of_each_file_after_each_call(file: str, calls: str):
    login, end = FILES[file]
    account = judge(facts(login, CALLS[calls]), NOW)
    assert account.state == expected(end, calls)
    codes = {"expired": ["login_expired"], "expiring": ["login_expiring"], "signed_out": ["signed_out"]}
    told = ["login_refused"] if account.state == "failing" and calls.startswith("refused") else []
    assert [each.code for each in account.problems] == codes.get(account.state, told)
    assert (account.limited_until is not None) == (account.state == "limited")


@pytest.mark.parametrize("calls", CALLS)
def test_without_a_login_it_is_signed_out_and_damage_is_not_that(calls: str):
    for state in ("absent", "none"):
        account = judge(facts(LoginFile(state), CALLS[calls], source=""), NOW)
        assert (account.state, [each.code for each in account.problems]) == ("signed_out", ["signed_out"])
    for state in ("blank", "empty", "truncated", "damaged", "unreadable"):
        assert judge(facts(LoginFile(state), CALLS[calls], source=""), NOW).state == "failing"


@pytest.mark.parametrize("source", ["ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "postern-credential.json"])
def test_a_credential_without_times_is_what_its_calls_show(source: str):
    states = {name: judge(facts(LoginFile("absent"), calls, source), NOW).state for name, calls in CALLS.items()}
    assert states == {name: expected("fresh", name) for name in CALLS}


def test_time_passes_over_a_login():
    refused = LONG_AGO.failed(RateLimited("slow", retry_after=HOUR), NOW)
    login = replace(SOUND, access_expires_at=NOW + 8 * HOUR, login_expires_at=NOW + 30 * DAY)
    states = {}
    for hours in (0, 2, 9, 22 * 24, 24 * 24, 31 * 24):
        states[hours] = judge(facts(login, refused), NOW + hours * HOUR).state
    assert states == {0: "limited", 2: "connected", 9: "connected", 528: "connected", 576: "expiring", 744: "expired"}


def test_an_answer_after_the_told_end_is_the_better_witness():
    ended = replace(SOUND, login_expires_at=NOW - DAY)
    assert judge(facts(ended, LONG_AGO.answered(NOW - HOUR)), NOW).state == "expiring"
    assert judge(facts(ended, LONG_AGO.answered(NOW - HOUR).failed(NotSignedIn("no"), NOW)), NOW).state == "expired"


def test_an_account_tells_whose_it_is_and_when_what_was():
    evidence = LONG_AGO.failed(UpstreamFailed("Claude answered with an error (status 500)."), NOW - 5).answered(NOW - 1)
    account = judge(facts(evidence=evidence), NOW)
    assert (account.account, account.organisation, account.plan) == (EMAIL, "Firm", "max")
    assert (account.method, account.source) == ("subscription", FILE)
    assert (account.last_success_at, account.last_failure_at) == (NOW - 1, NOW - 5)
    assert account.last_failure == "Claude answered with an error (status 500)."
    assert (account.access_expires_at, account.login_expires_at) == (NOW + HOUR, NOW + 30 * DAY)


# ---- evidence


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotSignedIn("x"), "login"),
        (RateLimited("x"), "limit"),
        (Overloaded("x"), "upstream"),
        (UpstreamFailed("x"), "upstream"),
        (CliTimeout("x"), "upstream"),
        (InvalidRequest("x"), ""),
        (UnknownModel("x"), ""),
        (QueueFull("x"), ""),
        (Resting("x"), ""),
    ],
)
def test_only_some_failures_say_something_of_the_login(error: PosternError, kind: str):
    assert kind_of(error) == kind
    assert LONG_AGO.failed(error, NOW).kind == kind


def test_a_renewal_is_noted_and_keeps_what_was_proved():
    first = Evidence().at_the_sight_of(Seen(FILE, ACCOUNT, "a", renews=True)).answered(NOW)
    renewed = first.at_the_sight_of(Seen(FILE, ACCOUNT, "b", renews=True, written_at=NOW + 5))
    assert (renewed.proved, renewed.last_refresh_at, renewed.last_success_at) == (True, NOW + 5, NOW)
    assert renewed.at_the_sight_of(Seen(FILE, ACCOUNT, "b", renews=True, written_at=NOW + 9)) == renewed
    # The account's file cannot be read for a moment: that makes no other account.
    assert renewed.at_the_sight_of(Seen(FILE, "", "b", renews=True)) == renewed


def test_another_account_or_credential_has_proved_nothing():
    first = Evidence().at_the_sight_of(Seen(FILE, ACCOUNT, "a", renews=True)).answered(NOW)
    fresh = Evidence(FILE, "other", "b", before=first)
    assert first.at_the_sight_of(Seen(FILE, "other", "b", renews=True)) == fresh
    by_variable = Evidence("ANTHROPIC_API_KEY", "", "a", before=first)
    assert first.at_the_sight_of(Seen("ANTHROPIC_API_KEY", "", "a")) == by_variable
    key = Evidence("ANTHROPIC_API_KEY", "", "a").answered(NOW)
    assert key.at_the_sight_of(Seen("ANTHROPIC_API_KEY", "", "a")) == key
    assert not key.at_the_sight_of(Seen("ANTHROPIC_API_KEY", "", "b")).proved


def test_a_sign_out_forgets_and_damage_does_not():
    first = Evidence().at_the_sight_of(Seen(FILE, ACCOUNT, "a", renews=True)).answered(NOW)
    assert first.at_the_sight_of(Seen("")) == Evidence()
    damaged = first.at_the_sight_of(Seen("", damaged=True))
    assert (damaged.proved, damaged.last_success_at) == (False, NOW)
    mended = damaged.at_the_sight_of(Seen(FILE, ACCOUNT, "a", renews=True))
    assert (mended.proved, mended.last_success_at) == (False, NOW)


def test_a_new_login_in_the_place_of_a_refused_one_is_unknown_until_it_answers():
    refused = Evidence(FILE, ACCOUNT, "a").answered(NOW).failed(NotSignedIn("no"), NOW + 1)
    new = refused.at_the_sight_of(Seen(FILE, ACCOUNT, "b", renews=True))
    assert judge(facts(evidence=new), NOW + 2).state == "unknown"
    assert judge(facts(evidence=new.answered(NOW + 3)), NOW + 3).state == "connected"
    overloaded = Evidence(FILE, ACCOUNT, "a").answered(NOW).failed(Overloaded("busy"), NOW + 1)
    renewed = overloaded.at_the_sight_of(Seen(FILE, ACCOUNT, "b", renews=True))
    assert judge(facts(evidence=renewed), NOW + 2).state == "failing"


def test_the_login_before_a_refused_one_is_known_when_it_is_put_back():
    first = Evidence().at_the_sight_of(Seen(FILE, ACCOUNT, "a", renews=True)).answered(NOW)
    second = first.at_the_sight_of(Seen("postern-credential.json", "", "b"))
    back = Seen(FILE, ACCOUNT, "a", renews=True)
    assert second.failed(NotSignedIn("no"), NOW + 1).at_the_sight_of(back) == first
    assert not second.at_the_sight_of(back).proved, "nobody has refused it"
    assert not second.failed(Overloaded("busy"), NOW + 1).at_the_sight_of(back).proved
    assert second.answered(NOW + 1).before is None
    third = second.failed(NotSignedIn("no"), NOW + 1).at_the_sight_of(Seen("postern-credential.json", "", "c"))
    assert third.before is not None
    assert third.before.before is None


def test_a_long_failure_is_cut():
    assert len(LONG_AGO.failed(UpstreamFailed("x" * 10_000), NOW).failure) == 300


def test_notes_are_read_as_they_were_written_and_rubbish_is_nothing():
    for evidence in CALLS.values():
        assert from_json(to_json(evidence)) == evidence
    for rubbish in (b"", b"{", b"[]", b'{"kind": "other"}', b"\xff", to_json(LONG_AGO)[:-3]):
        assert from_json(rubbish) == Evidence()


# ---- who and how


def test_the_method_is_told_of_each_source(tmp_path: Path):
    (tmp_path / "postern-credential.json").write_text(json.dumps({"kind": "token", "value": "x"}))
    installation = Installation(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path)
    told = {
        FILE: "subscription",
        ".claude.json": "console",
        "CLAUDE_CODE_OAUTH_TOKEN": "token",
        "ANTHROPIC_API_KEY": "api_key",
        "CLAUDE_CODE_USE_VERTEX": "vertex",
        "postern-credential.json": "token",
        "none.json": "",
        None: "",
    }
    assert {source: method_of(installation, source) for source in told} == told


def test_the_person_is_taken_from_the_clis_own_file(tmp_path: Path):
    assert person_in(tmp_path) == Person()
    write_account(tmp_path)
    assert person_in(tmp_path) == Person(ACCOUNT, EMAIL, f"{EMAIL}'s Organization")
    write_account(tmp_path, emailAddress=None, organizationName=["x"])
    assert person_in(tmp_path) == Person(ACCOUNT)
    for rubbish in ("", "[", '{"oauthAccount": 5}'):
        (tmp_path / ".claude.json").write_text(rubbish)
        assert person_in(tmp_path) == Person()


# ---- the account's owner, and the processes


def places(tmp_path: Path) -> Installation:
    return Installation(tmp_path, tmp_path / "volume", tmp_path / "home", tmp_path, tmp_path)


def own_account(installation: Installation) -> dict[str, object]:
    return json.loads((installation.own_config / ".claude.json").read_text())["oauthAccount"]


def test_the_processes_know_the_account_and_not_its_owner(tmp_path: Path):
    installation = places(tmp_path)
    installation.config_dir.mkdir()
    write_account(installation.config_dir, billingType="stripe_subscription")
    hide_person(installation)
    told = own_account(installation)
    assert (told["accountUuid"], told["billingType"]) == (ACCOUNT, "stripe_subscription")
    assert not {"emailAddress", "displayName", "fullName"} & told.keys()
    assert {"accountCreatedAt", "subscriptionCreatedAt", "ccOnboardingFlags", "profileFetchedAt"} <= told.keys()


def test_a_login_without_an_account_gets_one_and_other_ways_to_sign_in_none(tmp_path: Path):
    installation = places(tmp_path)
    installation.config_dir.mkdir()
    hide_person(installation)
    assert not (installation.own_config / ".claude.json").exists()
    write_login(installation.config_dir, text(time.time()))
    hide_person(installation)
    assert own_account(installation)["accountUuid"] == ACCOUNT


@pytest.mark.parametrize("there", ["file", "folder"])
def test_where_the_owner_cannot_be_hidden_no_process_starts(tmp_path: Path, there: str):
    installation = places(tmp_path)
    installation.config_dir.mkdir()
    write_account(installation.config_dir)
    if there == "file":
        installation.own_config.parent.mkdir(parents=True, exist_ok=True)
        installation.own_config.touch()
    else:
        (installation.own_config / ".claude.json" / "x").mkdir(parents=True)
    with pytest.raises(CliCrashed, match="The login's owner cannot be hidden"):
        hide_person(installation)

import json
import logging
import os
import stat
from collections.abc import Callable

import pytest

from app.claude.login_watch import LoginWatch
from app.errors import NotSignedIn, RateLimited, UpstreamFailed
from tests.claude.login_watch.house import NOW, House, codes, proved
from tests.support.login import EMAIL
from tests.support.login_files import forget_account, text, write_account, write_login


def test_what_the_shell_has_shown_of_a_login_is_taken_over(house: House):  # threat 36
    gateway, shell = house.watch(), house.watch()
    house.sign_in()
    gateway.look()
    assert gateway.account().state == "unknown"
    shell.account()
    shell.answered()
    shell.close()
    gateway.look()
    assert gateway.account().state == "connected"
    house.sign_in(accessToken="another", accountUuid="another")
    gateway.look()
    assert gateway.account().state == "unknown"


def test_what_the_shell_shows_while_the_gateway_looks_is_not_written_over(house: House):  # threat 36
    meanwhile: list[Callable[[], None]] = []

    def clock() -> float:
        while meanwhile:
            meanwhile.pop()()
        return house.now

    gateway, shell = house.watch(clock=clock), house.watch()
    house.sign_in()
    shell.account()
    shell.answered()
    meanwhile.append(shell.close)
    gateway.look()
    assert not meanwhile
    gateway.look()
    assert gateway.account().state == "connected"


@pytest.mark.parametrize(
    ("of_the_gateway", "login"),
    [
        (LoginWatch.answered, {"accessToken": "another", "accountUuid": "another"}),
        (lambda watch: watch.failed(NotSignedIn("no")), {"accessToken": "again"}),
    ],
    ids=["another account", "after a refusal"],
)
def test_what_the_shell_shows_before_the_gateway_ends_is_not_written_over(
    house: House, of_the_gateway: Callable[[LoginWatch], None], login: dict[str, str]
):  # threat 36
    gateway = house.watch()
    house.sign_in()
    gateway.look()
    of_the_gateway(gateway)
    house.sign_in(**login)
    shell = house.watch()
    shell.account()
    shell.answered()
    shell.close()
    gateway.close()
    assert house.watch().account().state == "connected"


def test_trouble_that_says_less_does_not_hide_what_is_known_of_a_login(house: House):  # threat 36
    watch = house.watch()
    house.sign_in()
    watch.look()
    watch.failed(NotSignedIn("no"))
    watch.failed(UpstreamFailed("broken"))
    assert codes(watch) == ["login_refused"]
    watch.failed(RateLimited("full", retry_after=90))  # which a login that is refused is not told
    watch.failed(UpstreamFailed("broken"))
    assert watch.account().state == "limited"
    house.now += 91
    watch.failed(UpstreamFailed("broken"))
    assert (watch.account().state, codes(watch)) == ("failing", [])


def test_what_it_has_written_itself_proves_nothing_again(house: House):  # threat 36
    watch, content = proved(house)
    watch.close()
    again = house.watch()
    write_login(house.config, b"")
    again.look()
    write_login(house.config, content)
    again.look()
    assert again.account().state == "unknown"


def test_a_login_is_seen_from_its_sign_in_to_its_sign_out(house: House):  # threat 36
    watch = house.watch()
    assert watch.account().state == "signed_out"
    house.sign_in()
    account = watch.account()
    assert (account.state, account.account, account.plan, account.method) == (
        "unknown",
        EMAIL,
        "max 5x",
        "subscription",
    )
    watch.answered()
    assert watch.account().state == "connected"
    house.now += 60
    watch.failed(UpstreamFailed("Claude answered with an error (status 500)."))
    account = watch.account()
    assert (account.state, account.last_success_at, account.last_failure_at) == ("failing", NOW, NOW + 60)
    watch.failed(RateLimited("slow", retry_after=90))
    assert (watch.account().state, watch.account().limited_until) == ("limited", NOW + 150)
    house.now += 91
    assert watch.account().state == "connected"
    watch.failed(NotSignedIn("refused"))
    assert (watch.account().state, codes(watch)) == ("failing", ["login_refused"])
    house.file.unlink()
    forget_account(house.config)
    account = watch.account()
    assert (account.state, account.account, account.last_success_at) == ("signed_out", "", None)


def test_a_renewal_is_noted_with_its_time(house: House):  # threat 33
    watch, _ = proved(house)
    assert watch.account().last_refresh_at is None
    house.sign_in(accessToken="oat-renewed")
    os.utime(house.file, (NOW + 5, NOW + 5))
    account = watch.account()
    assert (account.state, account.last_refresh_at) == ("connected", NOW + 5)


def test_another_account_has_to_prove_itself(house: House):  # threat 36
    watch, content = proved(house)
    write_account(house.config, "another")
    write_login(house.config, text(NOW, accessToken="oat-other", accountUuid="another"))
    watch.look()
    assert watch.account().state == "unknown"
    assert house.copy.read_bytes() == content
    watch.answered()
    watch.look()
    assert json.loads(house.copy.read_text())["claudeAiOauth"]["accountUuid"] == "another"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "login_empty"),
        (text(NOW)[:200], "login_truncated"),
        (b"[]", "login_damaged"),
        (text(NOW, accessToken="", refreshToken=""), "login_blank"),
        (None, "login_gone"),
    ],
)
def test_damage_is_told_apart_from_a_sign_out_and_mended(house: House, content: bytes | None, code: str):  # threat 34
    watch, good = proved(house)
    if content is None:
        house.file.unlink()
    else:
        write_login(house.config, content)
    watch.look()
    account = watch.account()
    assert account.state == ("signed_out" if content is None else "failing")
    assert [each.code for each in account.problems] == [code]
    assert account.problems[0].fix.endswith("python -m app.cli login --restore")
    if content is not None:
        assert (account.account, account.last_success_at) == (EMAIL, NOW)
    assert house.copy.read_bytes() == good
    assert watch.can_restore()
    watch.restore_copy()
    assert house.file.read_bytes() == good
    assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
    assert not watch.can_restore()
    assert (watch.account().state, codes(watch)) == ("unknown", [])
    watch.answered()
    assert watch.account().state == "connected"


def test_a_variable_wins_over_the_file_and_its_damage(house: House):
    house.sign_in()
    watch = house.watch({"ANTHROPIC_API_KEY": "sk-ant-not-a-key"})
    watch.answered()
    account = watch.account()
    assert (account.state, account.method, account.source) == ("connected", "api_key", "ANTHROPIC_API_KEY")
    assert (account.account, account.plan, account.login_expires_at) == ("", "", None)
    write_login(house.config, b"")
    assert (watch.account().state, codes(watch), watch.can_restore()) == ("connected", [], False)


def test_a_file_open_to_others_is_told_beside_the_state(house: House):
    watch, content = proved(house)
    write_login(house.config, content, mode=0o644)
    assert (watch.account().state, codes(watch)) == ("connected", ["login_open"])


def test_what_happens_is_logged_once_and_without_names(house: House, caplog: pytest.LogCaptureFixture):  # threat 32
    caplog.set_level(logging.INFO)
    watch, _ = proved(house)
    watch.look()
    watch.failed(NotSignedIn("no"))
    for _ in range(3):
        watch.look()
    assert [record.getMessage() for record in caplog.records] == [
        "the login is unknown (.credentials.json)",
        "the login is connected (.credentials.json)",
        "the login is failing (.credentials.json)",
    ]


def test_a_refused_sign_in_changes_nothing_of_what_is_known(house: House):  # threats 34, 36
    watch, content = proved(house)
    before = watch.account()
    pasted = house.config / "postern-credential.json"
    pasted.write_text('{"kind": "api_key", "value": "sk-ant-api03-refused"}')
    house.file.unlink()
    watch.look()
    assert watch.account().state == "unknown"
    watch.failed(NotSignedIn("no"))
    watch.look()
    assert (watch.account().state, codes(watch)) == ("failing", ["login_refused"])
    assert house.copy.read_bytes() == content, "it may still come back"
    watch.close()
    write_login(house.config, content)
    pasted.unlink()
    for each in (watch, house.watch()):  # also after a restart
        assert each.account() == before
    pasted.write_text('{"kind": "api_key", "value": "sk-ant-api03-good"}')
    house.file.unlink()
    watch.look()
    assert house.copy.exists()
    watch.answered()
    watch.look()
    assert not house.copy.exists()
    write_login(house.config, content)
    assert watch.account().state == "unknown", "another sign-in, not a putting back"

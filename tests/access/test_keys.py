"""The keys of applications, and what every request asks."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.access import key_format
from app.access.keys import Key, Keys
from app.errors import Conflict, InvalidRequest, StoreFailed, Unauthorized, UnknownKey
from app.store.database import Database
from tests.support.clock import Clock
from tests.support.disk import full_disk


def refusal(keys: Keys, candidate: str) -> str:
    with pytest.raises(Unauthorized) as refused:
        keys.find(candidate)
    return str(refused.value)


# ---- finding


def test_a_key_is_found_by_its_text_and_nothing_else(keys: Keys):
    text, key = keys.create("one")
    assert keys.find(text) == key
    for other in (
        "",
        "sk-",
        text[:-1],
        text + " ",
        " " + text,
        text + "\n",
        text + "\0",
        text.lower(),
        "ключ",
        "sk-\udcff",
    ):
        refusal(keys, other)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_sent_as_a_key_is_refused_in_words(keys: Keys, candidate: str):
    assert refusal(keys, candidate).startswith("Incorrect API key provided")


# threat 41: nobody learns which keys there were
def test_unknown_disabled_expired_and_revoked_keys_are_refused_with_one_text(keys: Keys, clock: Clock):
    expired, _ = keys.create("expired", expires_at=clock.now + 10)
    revoked, of_revoked = keys.create("revoked")
    disabled, of_disabled = keys.create("disabled")
    keys.revoke(of_revoked.id)
    keys.edit(of_disabled.id, enabled=False)
    clock.go(10)
    unknown = key_format.make("application")
    # The id of a live key, with another secret and its right checksum.
    live, _ = keys.create("live")
    seed = bytes(range(64))
    stranger = key_format.make("application", seed)
    forged = live[:16] + stranger[16:-6]
    forged += key_format._checksum(forged)
    texts = {refusal(keys, key) for key in (expired, revoked, disabled, unknown, forged)}
    assert len(texts) == 1
    assert refusal(keys, live[:-1] + ("a" if live[-1] != "a" else "b")) not in texts


# threat 41: coarse, for a machine is never quiet: the medians of interleaved rounds
def test_unknown_and_revoked_keys_take_the_same_time(keys: Keys):
    revoked, key = keys.create("revoked")
    keys.revoke(key.id)
    unknown = key_format.make("application")
    times: dict[str, list[float]] = {revoked: [], unknown: []}
    for _ in range(2000):
        for candidate, taken in times.items():
            begun = time.perf_counter()
            refusal(keys, candidate)
            taken.append(time.perf_counter() - begun)
    medians = sorted(sorted(taken)[len(taken) // 2] for taken in times.values())
    assert medians[1] < medians[0] * 1.5


# threat 39
def test_no_file_of_the_database_holds_a_key(keys: Keys, database: Database):
    texts = [keys.create(f"key {number}")[0] for number in range(5)]
    held = b"".join(file.read_bytes() for file in database.path.parent.iterdir())
    for text in texts:
        assert key_format.key_id(text).encode() in held
        assert text.encode() not in held
        assert text[16:].encode() not in held
        assert text[16:40].encode() not in held


# threat 50
@pytest.mark.parametrize(
    "hostile", ["' OR '1'='1", "x'; DROP TABLE keys; --", "%", "_", '" OR 1=1 --', "sk-' UNION SELECT 1"]
)
def test_what_looks_like_sql_finds_and_changes_nothing(keys: Keys, hostile: str):
    text, key = keys.create("one")
    refusal(keys, hostile)
    assert keys.list(hostile) == []
    for act in (keys.get, keys.revoke):
        with pytest.raises(UnknownKey):
            act(hostile)
    keys.note_use(hostile, hostile, hostile)
    keys.flush_uses()
    renamed = keys.edit(key.id, name=hostile)
    assert renamed.name == hostile
    assert keys.find(text) == keys.get(key.id)


# ---- making and changing


def test_a_key_is_made_with_its_limits(keys: Keys, clock: Clock):
    text, key = keys.create("  a name ", models=["sonnet", "opus"], expires_at=clock.now + 60)
    expected = Key(
        key_format.key_id(text),
        "application",
        "a name",
        clock.now,
        clock.now + 60,
        ("sonnet", "opus"),
        True,
        None,
        None,
    )
    assert key == expected == keys.get(key.id)
    assert key_format.kind_of(text) == "application"
    assert key.state(clock.now) == "live"
    assert key.state(clock.now + 60) == "expired"


@pytest.mark.parametrize(
    ("param", "value"),
    [
        *(("name", value) for value in ("", "   ", "x" * 101, "a\nb", "a\x1b[31m", "\u202e", None, 5)),
        *(("models", value) for value in ([], "sonnet", [""], [5], ["x" * 101], ["x"] * 101, {})),
        *(
            ("expires_at", value)
            for value in (0, -1, float("nan"), float("inf"), 253_370_764_800, 10**400, "tomorrow", True, [])
        ),
        *(("enabled", value) for value in (0, None, "yes")),
        *((name, 1) for name in ("id", "kind", "digest", "revoked_at", "x; DROP TABLE keys")),
    ],
)
def test_what_a_key_cannot_be_is_refused_by_name_and_changes_nothing(keys: Keys, param: str, value: object):
    _, key = keys.create("one")
    with pytest.raises(InvalidRequest) as refused:
        keys.edit(key.id, **{"name": "other", param: value})
    assert refused.value.param == param
    assert keys.get(key.id) == key
    if param in ("name", "models", "expires_at"):
        with pytest.raises(InvalidRequest):
            keys.create(**{"name": "x", param: value})


def test_a_time_of_the_past_is_no_expiry(keys: Keys, clock: Clock):
    with pytest.raises(InvalidRequest) as refused:
        keys.create("late", expires_at=clock.now)
    assert refused.value.param == "expires_at"
    assert keys.list() == []


def test_a_key_is_edited(keys: Keys, clock: Clock):
    text, key = keys.create("one", models=["opus"], expires_at=clock.now + 5)
    changed = keys.edit(key.id, name="two", models=None, expires_at=None, enabled=True)
    assert (changed.name, changed.models, changed.expires_at) == ("two", None, None)
    assert keys.edit(key.id) == changed
    keys.edit(key.id, enabled=False)
    assert refusal(keys, text)
    assert not keys.still_live(key.id)
    assert keys.get(key.id).state(clock.now) == "disabled"
    keys.edit(key.id, enabled=True)
    assert keys.find(text).name == "two"
    assert keys.still_live(key.id)


# threat 44
def test_a_revoked_key_is_refused_from_then_on_and_for_good(keys: Keys, clock: Clock):
    text, key = keys.create("one")
    keys.find(text)
    revoked = keys.revoke(key.id)
    assert revoked.revoked_at == clock.now
    assert refusal(keys, text)
    assert not keys.still_live(key.id)
    clock.go(5)
    assert keys.revoke(key.id) == revoked
    with pytest.raises(Conflict):
        keys.edit(key.id, enabled=True)


# threat 44: the operator's shell is another process
def test_what_another_process_changed_counts_at_once(keys: Keys, database: Database, clock: Clock):
    text, key = keys.create("one")
    keys.find(text)
    other = Database(database.path)
    Keys(other, secret=b"", clock=clock).revoke(key.id)
    other.close()
    assert refusal(keys, text)


def test_keys_are_listed_and_searched(keys: Keys, clock: Clock, tmp_path):
    keys.seed_master("", tmp_path)
    made = []
    for name in ("Straße 1", "chat bot", "CHAT room"):
        made.append(keys.create(name))
        clock.go(1)
    assert [key.name for key in keys.list()] == ["CHAT room", "chat bot", "Straße 1"]
    assert [key.name for key in keys.list("chat")] == ["CHAT room", "chat bot"]
    assert [key.name for key in keys.list("STRASSE")] == ["Straße 1"]
    text, key = made[1]
    assert keys.list(f" {key.id} ") == keys.list(text) == [key]
    assert keys.list("nothing of this") == []


# threat 46: the master key is no application's
def test_the_master_key_is_not_to_be_had_as_an_applications(keys: Keys, tmp_path):
    keys.seed_master("", tmp_path)
    (master,) = keys.masters()
    for act in (keys.get, keys.revoke, keys.edit):
        with pytest.raises(UnknownKey):
            act(master.id)
    assert keys.masters() == [master]


# ---- uses (threat 48)


def test_uses_are_written_when_they_are_flushed(keys: Keys, clock: Clock):
    _, key = keys.create("one")
    for _ in range(3):
        keys.note_use(key.id, "10.0.0.1", "curl/8")
        clock.go(1)
    keys.note_use(key.id, "10.0.0.2", "")
    assert (keys.users(key.id), keys.get(key.id).last_used_at) == ([], None)
    keys.flush_uses()
    assert [(use.address, use.user_agent, use.count, clock.now - use.last_seen_at) for use in keys.users(key.id)] == [
        ("10.0.0.2", "", 1, 0),
        ("10.0.0.1", "curl/8", 3, 1),
    ]
    assert keys.get(key.id).last_used_at == clock.now
    keys.note_use(key.id, "10.0.0.1", "curl/8")
    keys.flush_uses()
    keys.flush_uses()
    assert {use.address: use.count for use in keys.users(key.id)} == {"10.0.0.1": 4, "10.0.0.2": 1}


# threat 62
def test_a_user_agent_is_cut_and_made_printable(keys: Keys):
    _, key = keys.create("one")
    keys.note_use(key.id, "::1", "evil\n\x1b[31m" + "x" * 1_000_000)
    keys.flush_uses()
    (use,) = keys.users(key.id)
    assert use.user_agent.startswith("evil\\n\\x1b[31mxxx")
    assert len(use.user_agent) == 200


def test_only_the_latest_users_are_kept(keys: Keys, clock: Clock):
    _, key = keys.create("one")
    for number in range(250):
        keys.note_use(key.id, f"10.0.0.{number}", "curl")
        clock.go(1)
    keys.flush_uses()
    users = keys.users(key.id)
    assert len(users) == 100
    assert users[0].address == "10.0.0.249"


def test_uses_that_cannot_be_written_wait(keys: Keys, database: Database, clock: Clock):
    _, key = keys.create("one")
    keys.note_use(key.id, "10.0.0.1", "curl")
    with full_disk(), pytest.raises(StoreFailed):
        keys.flush_uses()
    keys.note_use(key.id, "10.0.0.1", "curl")
    keys.flush_uses()
    assert [use.count for use in keys.users(key.id)] == [2]

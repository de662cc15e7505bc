import base64

import pytest

from app.access.sessions import Sessions
from app.errors import StoreFailed
from app.store.database import Database
from tests.support.clock import Clock
from tests.support.disk import full_disk

IDLE, ABSOLUTE = 3600.0, 10_000.0


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, IDLE, ABSOLUTE, clock)


def test_a_session_is_found_by_its_token_alone(sessions: Sessions, clock: Clock):
    token = sessions.open("10.0.0.1", "Firefox")
    session = sessions.find(token)
    assert session is not None
    assert (session.address, session.user_agent) == ("10.0.0.1", "Firefox")
    assert (session.created_at, session.last_seen_at, session.confirmed_at) == (clock.now,) * 3
    assert session.expires_at == clock.now + ABSOLUTE
    for other in ("", token[:-1], token + "=", session.id, "\udcff", "' OR 1=1 --"):
        assert sessions.find(other) is None


# threat 53
def test_a_token_has_256_bits_and_is_new_each_time(sessions: Sessions):
    tokens = {sessions.open("", "") for _ in range(20)}
    assert len(tokens) == 20
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}


# threats 39 and 53
def test_the_database_holds_no_token(sessions: Sessions, database: Database):
    token = sessions.open("", "")
    assert token.encode() not in b"".join(file.read_bytes() for file in database.path.parent.iterdir())


# threat 53
def test_it_ends_when_nobody_uses_it(sessions: Sessions, clock: Clock):
    token = sessions.open("", "")
    for _ in range(2):
        clock.go(IDLE - 1)
        assert sessions.find(token)
    clock.go(IDLE)
    assert sessions.find(token) is None
    assert sessions.list() == []


# threat 53
def test_it_ends_in_any_case(sessions: Sessions, clock: Clock):
    token = sessions.open("", "")
    for _ in range(9):
        clock.go(ABSOLUTE / 10)
        assert sessions.find(token)
    clock.go(ABSOLUTE / 10)
    assert sessions.find(token) is None


# threat 53
def test_ended_it_stands_for_nothing(sessions: Sessions):
    one, other = sessions.open("", ""), sessions.open("", "")
    sessions.end(sessions.find(one).id)
    sessions.end("unknown")
    assert sessions.find(one) is None
    assert sessions.find(other)


# threat 53
def test_all_are_ended_but_ones_own(sessions: Sessions):
    tokens = [sessions.open("", "") for _ in range(3)]
    mine = sessions.find(tokens[1])
    sessions.end_all(except_id=mine.id)
    assert [sessions.find(token) is not None for token in tokens] == [False, True, False]
    sessions.end_all()
    assert sessions.find(tokens[1]) is None


# threat 60
def test_it_knows_when_the_password_was_given_last(sessions: Sessions, clock: Clock):
    one, other = sessions.open("", ""), sessions.open("", "")
    clock.go(100)
    sessions.confirm(one)
    assert sessions.find(one).confirmed_at == clock.now
    assert sessions.find(other).confirmed_at == clock.now - 100


def test_they_are_listed_with_the_latest_first(sessions: Sessions, clock: Clock):
    tokens = []
    for name in ("a", "b", "c"):
        tokens.append(sessions.open(name, ""))
        clock.go(1)
    assert [session.address for session in sessions.list()] == ["c", "b", "a"]
    clock.go(100)
    sessions.find(tokens[0])
    assert [session.address for session in sessions.list()] == ["a", "c", "b"]


def test_being_seen_is_written_at_a_flush_and_once_a_minute_at_most(
    sessions: Sessions, database: Database, clock: Clock
):
    token = sessions.open("", "")
    begun = clock.now

    def written() -> float:
        (row,) = database.read("SELECT last_seen_at FROM sessions")
        return row["last_seen_at"] - begun

    clock.go(59)
    sessions.find(token)
    sessions.flush()
    assert written() == 0
    clock.go(1)
    sessions.find(token)
    assert written() == 0
    clock.go(5)
    sessions.find(token)
    sessions.flush()
    assert written() == 60


def test_what_could_not_be_written_is_written_later(sessions: Sessions, database: Database, clock: Clock):
    token = sessions.open("", "")
    clock.go(IDLE - 1)
    sessions.find(token)
    with full_disk(), pytest.raises(StoreFailed):
        sessions.flush()
    clock.go(2)
    assert sessions.find(token)
    sessions.flush()
    again = Sessions(database, IDLE, ABSOLUTE, clock)
    assert again.find(token)


def test_a_flush_forgets_those_that_have_ended(sessions: Sessions, database: Database, clock: Clock):
    sessions.open("", "")
    clock.go(IDLE / 2)
    kept = sessions.open("", "")
    clock.go(IDLE / 2)
    sessions.flush()
    assert len(database.read("SELECT 1 FROM sessions")) == 1
    assert sessions.find(kept)


# threat 62
def test_a_user_agent_is_cut_and_made_printable(sessions: Sessions):
    token = sessions.open("10.0.0.1\n", "\x1b]0;evil\x07\n" + "x" * 1_000_000)
    session = sessions.find(token)
    assert session.address == "10.0.0.1\\n"
    assert session.user_agent.startswith("\\x1b]0;evil\\x07\\nxxx")
    assert len(session.user_agent) == 200

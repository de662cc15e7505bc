import base64

import pytest

from app.access.administrators import Administrators
from app.access.first_run import BROWSER_SECONDS, LINK_SECONDS, FirstRun
from app.errors import SetUpDone, SetUpLinkRefused
from app.store.database import Database
from tests.support.clock import Clock

PASSWORD = "correct horse battery"


@pytest.fixture
def first_run(database: Database, clock: Clock) -> FirstRun:
    return FirstRun(database, clock)


@pytest.fixture
def administrators(database: Database, clock: Clock) -> Administrators:
    return Administrators(database, clock)


# threat 51
def test_the_link_is_good_once(first_run: FirstRun):
    token = first_run.token()
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    browser = first_run.claim(token)
    assert browser != token
    assert first_run.claimed_by(browser)
    assert not first_run.claimed_by(token)
    assert not first_run.claimed_by("")
    with pytest.raises(SetUpLinkRefused):
        first_run.claim(token)
    assert first_run.claimed_by(browser)


# threat 51
@pytest.mark.parametrize("wrong", ["", "x", "\udcff", "' OR 1=1 --"])
def test_another_link_is_refused(first_run: FirstRun, wrong: str):
    token = first_run.token()
    for guess in (wrong, token[:-1], token + "="):
        with pytest.raises(SetUpLinkRefused):
            first_run.claim(guess)
    first_run.claim(token)


def test_without_a_link_nothing_is_claimed(first_run: FirstRun):
    with pytest.raises(SetUpLinkRefused):
        first_run.claim("")
    assert not first_run.claimed_by("")


# threat 51
def test_the_link_is_good_for_half_an_hour(first_run: FirstRun, clock: Clock):
    token = first_run.token()
    clock.go(LINK_SECONDS)
    with pytest.raises(SetUpLinkRefused, match="Restart the gateway"):
        first_run.claim(token)


def test_the_browser_that_claimed_it_has_an_hour(first_run: FirstRun, clock: Clock):
    browser = first_run.claim(first_run.token())
    clock.go(BROWSER_SECONDS - 1)
    assert first_run.claimed_by(browser)
    clock.go(1)
    assert not first_run.claimed_by(browser)


def test_a_restart_makes_a_new_link_and_leaves_the_browser_its_claim(
    first_run: FirstRun, database: Database, clock: Clock
):
    unused = first_run.token()
    browser = FirstRun(database, clock).claim(FirstRun(database, clock).token())
    with pytest.raises(SetUpLinkRefused):
        first_run.claim(unused)
    third = FirstRun(database, clock).token()
    assert first_run.claimed_by(browser)
    # It was lost: whoever comes by the new link goes on instead.
    other = first_run.claim(third)
    assert first_run.claimed_by(other)
    assert not first_run.claimed_by(browser)


# threat 51
def test_with_an_administrator_it_is_over(first_run: FirstRun, administrators: Administrators):
    token = first_run.token()
    browser = first_run.claim(token)
    later = first_run.token()
    first_run.use(lambda: administrators.set_password(PASSWORD, first=True))
    assert not first_run.claimed_by(browser)
    for act in (first_run.token, lambda: first_run.claim(later), lambda: first_run.claim(token)):
        with pytest.raises(SetUpDone) as refused:
            act()
        assert refused.value.status == 409


def test_a_password_that_is_refused_uses_nothing_up(first_run: FirstRun):
    browser = first_run.claim(first_run.token())

    def refuse() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        first_run.use(refuse)
    assert first_run.claimed_by(browser)


# threats 39 and 51
def test_the_database_holds_neither_link_nor_browser(first_run: FirstRun, database: Database):
    token = first_run.token()
    browser = first_run.claim(token)
    another = first_run.token()
    held = b"".join(file.read_bytes() for file in database.path.parent.iterdir())
    assert [text.encode() in held for text in (token, browser, another)] == [False] * 3


def test_steps_are_remembered(first_run: FirstRun, database: Database):
    assert first_run.completed() == frozenset()
    for step in ("password", "connect", "password"):
        first_run.complete(step)
    assert FirstRun(database).completed() == {"password", "connect"}


def test_a_look_at_the_link_does_not_use_it_up(first_run: FirstRun, clock: Clock):  # threat 51
    token = first_run.token()
    for _ in range(3):
        first_run.demand_link(token)
    with pytest.raises(SetUpLinkRefused):
        first_run.demand_link(token + "x")
    assert first_run.claimed_by(first_run.claim(token))
    with pytest.raises(SetUpLinkRefused):
        first_run.demand_link(token)
    late = first_run.token()
    clock.go(1801)
    with pytest.raises(SetUpLinkRefused):
        first_run.demand_link(late)

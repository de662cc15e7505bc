"""Every hostile text alone as the last message, in both versions; a third of them with an API key as well.

One process takes them all, one turn each, so that this is quick; test_corpus.py has them with the gateway around.
"""

from collections.abc import Iterator

import pytest

from app.claude.conversation import guarded as guarded_content
from tests.security.conftest import GROUNDS
from tests.security.driver import driven, installation
from tests.security.ground import guarded, said, set_traps, text
from tests.security.login import sign_in
from tests.support.sandbox import Sandbox, running_sandbox

# So that the conversation stays small; test_corpus.py has the long ones.
LONGEST = 2_000


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.mark.parametrize(("version", "mode"), GROUNDS, ids=map("-".join, GROUNDS))
def test_every_text_alone_is_one_call_that_holds_it(own_sandbox, tmp_path, version, mode):  # threats 1, 2, 4
    traps = set_traps(tmp_path)
    if mode == "login":
        sign_in(own_sandbox, tmp_path / "data/claude")
    texts = [one for one in traps.texts() if len(one) < LONGEST][:: 1 if mode == "login" else 3]
    with driven(installation(tmp_path, version, own_sandbox, mode)) as driver:
        for one in texts:
            result = driver.turn(*guarded_content([text(one)]))
            assert not result.is_error, (one, result.result)
    calls = own_sandbox.messages()
    assert [said(call["body"])[-1] for call in calls] == [("user", [text(guarded(one))]) for one in texts]
    everything = str(own_sandbox.requests())
    assert [place for place, word in traps.words.items() if word in everything] == []
    assert not traps.proof.exists()

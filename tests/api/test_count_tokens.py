"""POST /v1/messages/count_tokens: what is counted, and what is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access.keys import Keys
from app.api import errors, views
from app.claude.models import Catalogue, Model
from app.protocols.prompt import Prompt
from app.services import EXTENSION
from app.store.database import Database

HI = [{"role": "user", "content": "hi"}]


@dataclass
class Counting:
    """What the view needs of the services. It is told what the prompt was."""

    keys: Keys
    catalogue: Catalogue
    counted: tuple[str, Prompt] | None = None

    def count_tokens(self, model: str, prompt: Prompt, gone: Callable[[], bool]) -> int:
        self.counted = model, prompt
        return 42


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Counting]:
    database = Database(tmp_path / "postern.sqlite")
    catalogue = Catalogue({name: Model(name, 200_000) for name in ("sonnet", "opus")})
    yield Counting(Keys(database, secret=b"s" * 32), catalogue)
    database.close()


def count(counting: Counting, key: str, **members: Any) -> TestResponse:
    app = Flask(__name__)
    app.extensions[EXTENSION] = counting
    app.register_blueprint(views.blueprint)
    errors.register(app)
    body = {"model": "sonnet", "messages": HI, **members}
    return app.test_client().post("/v1/messages/count_tokens", json=body, headers={"x-api-key": key})


def test_tokens_are_counted_of_the_prompt_that_was_sent(counting: Counting):
    key, _ = counting.keys.create("counts")
    answer = count(counting, key, system="be brief", thinking={"type": "adaptive"})
    assert (answer.status_code, answer.json) == (200, {"input_tokens": 42})
    model, prompt = counting.counted
    assert (model, prompt.system) == ("sonnet", ["be brief"])
    assert prompt.messages == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    assert prompt.parameters == {"thinking": {"type": "adaptive"}}


@pytest.mark.parametrize(
    ("members", "status", "kind"),
    [
        ({"model": "opus"}, 403, "permission_error"),
        ({"model": "gpt-4o"}, 404, "not_found_error"),
        ({"max_tokens": 5}, 400, "invalid_request_error"),
    ],
)
def test_a_count_that_cannot_be_is_refused(counting: Counting, members: dict[str, Any], status: int, kind: str):
    key, _ = counting.keys.create("counts", models=["sonnet"])
    answer = count(counting, key, **members)
    assert (answer.status_code, answer.json["error"]["type"]) == (status, kind)
    assert answer.json["request_id"] == answer.headers["request-id"]
    assert counting.counted is None

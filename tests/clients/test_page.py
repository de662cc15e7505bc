"""The examples of docs/clients.md, run as they stand there, and what the page says of the pins."""

import re

import pytest

from tests.clients.running import SECONDS, client_node, client_python, present, run
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.timeout(SECONDS)

PAGE = (ROOT / "docs/clients.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(python|js|sh)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def command(language: str, code: str) -> list[str]:
    if language == "python":
        return [client_python(), "-c", code]
    if language == "js":
        return [client_node(), "--input-type=module", "--eval", code]
    return ["bash", "-euc", code]


@pytest.mark.parametrize(("language", "code"), EXAMPLES)
def test_an_example_runs_as_it_stands(gateway, tmp_path, language, code):
    assert "http://127.0.0.1:4000" in code
    assert "sk-..." in code
    code = code.replace("http://127.0.0.1:4000", gateway.url).replace("sk-...", gateway.key)
    folder = ROOT if language == "js" else None  # code that is in no file imports from where it is run
    assert "Postern sandbox" in run(command(language, code), gateway, tmp_path, folder)


def test_every_client_that_is_pinned_is_on_the_page():
    asked = set((ROOT / "requirements-clients.in").read_text().split())
    clients = asked - {"jsonschema", "langchain", "schemathesis"}
    assert {client for client in clients if f"[{client}]" not in PAGE} == set()


def test_what_is_missing_is_told_with_the_way_out(tmp_path):
    with pytest.raises(FileNotFoundError, match="run `make setup`"):
        present(tmp_path / "python", "The clients for Python")

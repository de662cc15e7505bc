"""What the pages state is compared with the code."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import get_args

import msgspec

from app import errors
from app.claude.login import State
from app.claude.login_job import METHODS
from app.claude.tools import LONGEST_RESULT
from app.protocols import decode
from app.protocols.anthropic_models import CountRequest, MessagesRequest
from app.protocols.openai_completions import CompletionRequest
from app.protocols.openai_models import LONGEST_USER_ID, ChatRequest
from app.protocols.responses_items import KINDS
from app.protocols.responses_models import ResponsesRequest
from app.services import responses
from tests.support.sandbox import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_every_field_of_a_chat_request_is_explained():
    table = page("openai.md").split("## POST /v1/completions")[0]
    explained = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    fields = {field.name for field in msgspec.structs.fields(ChatRequest)}
    assert fields - explained - {"audio"} == set()


def test_every_field_of_a_messages_request_is_explained():
    request, rest = page("messages.md").split("### Blocks")
    rows = re.findall(r"^\| (`.*?) \|", request, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*MessagesRequest.__struct_fields__}
    left_out = rest.split("## Counting tokens")[1].split("are refused")[0].split("without")[1]
    only_of_answers = {*MessagesRequest.__struct_fields__} - {*CountRequest.__struct_fields__}
    assert {*re.findall(r"`(\w+)`", left_out)} == only_of_answers


def test_every_field_of_a_legacy_completion_is_named():
    named = set(re.findall(r"`(\w+)`", page("openai.md").split("## POST /v1/completions")[1])) | {"model"}
    assert {*CompletionRequest.__struct_fields__} - named == set()


def test_every_field_and_item_of_a_responses_request_is_explained():
    fields, items = page("responses.md").split("## The response")[0].split("### Items")
    rows = re.findall(r"^\| (`.*?) \|", fields, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == {*ResponsesRequest.__struct_fields__}
    assert set(re.findall(r"^\| `(\w+)` \|", items, re.MULTILINE)) == set(KINDS)


def test_the_limits_of_a_request_are_told():
    limits = page("api.md").split("## Limits")[1].split("\n## ")[0]
    fields = msgspec.json.schema(ChatRequest)["$defs"]["ChatRequest"]["properties"]
    most_choices = next(option["maximum"] for option in fields["n"]["anyOf"] if "maximum" in option)
    for row in (
        rf"values in it.* \| {decode.MOST_VALUES:,} \|",
        rf"levels of nesting.* \| {decode.MOST_LEVELS} \|",
        rf"\(`n`\) \| {most_choices}, ",
        rf"`user`, .* \| {LONGEST_USER_ID} characters",
    ):
        assert re.search(row, limits), row
    assert f"more than {LONGEST_RESULT:,} characters" in limits


def test_the_bounds_of_what_is_kept_are_told():
    kept = page("responses.md").split("## What is kept")[1]
    assert f"At most {responses.MOST} responses are kept, and {responses.MOST_BYTES >> 20} MiB" in kept
    assert "for an hour" in kept
    assert responses.SECONDS == 3600


def test_every_code_of_an_error_is_explained():
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and getattr(kind, "code", None)}
    codes -= {"cli_error", "service_unavailable"}  # of the classes above the ones that are raised
    assert {code for code in codes if f"`{code}`" not in page("api.md")} == set()


def test_every_address_of_the_administrators_json_is_explained():
    source = (ROOT / "app/admin/api.py").read_text()
    routes = {(method.upper(), path) for method, path in re.findall(r'@blueprint\.(\w+)\("(.+?)"\)', source)}
    rows = set(re.findall(r"^\| `([A-Z]+) (/admin/api/[^` ]+)`", page("api.md"), re.MULTILINE))
    assert rows == routes


def test_every_state_of_a_sign_in_and_every_way_to_is_explained():
    rows = set(re.findall(r"^\| `(\w+)` \|", page("login.md"), re.MULTILINE))
    assert rows == set(get_args(State)) | set(METHODS)


def test_pages_link_only_to_what_is_there():
    for file in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def named_in_the_layout() -> Iterator[str]:
    """What stands in front, as a path: `app/claude/pool`. `_tools` takes its beginning from the name before it."""
    layout = page("architecture.md").split("## Layout")[1].split("\napp/\n")[1].split("\nsandbox/")[0]
    package = name = ""
    for indent, names in re.findall(r"^( {2}| {4})([\w*]+(?:, [\w*]+)*)", layout, re.MULTILINE):
        for told in re.findall(r"[\w*]+", names):
            name = name.partition("_")[0] + told if re.match("_[a-z]", told) else told
            yield f"app/{package}/{name}" if len(indent) == 4 else f"app/{name}"
        package = package if len(indent) == 4 else name


def modules() -> Iterator[str]:
    """Without `app/api/descriptions/...` and the like, which are named as a folder."""
    for file in [*(ROOT / "app").glob("*.py"), *(ROOT / "app").glob("*/*.py")]:
        if file.parent.name == "app" or not file.stem.startswith("__"):
            yield file.relative_to(ROOT).with_suffix("").as_posix()


def test_every_module_has_its_place_in_the_layout():
    named = set(named_in_the_layout())
    assert [module for module in modules() if not any(fnmatch(module, name) for name in named)] == []
    assert [name for name in named if not [*ROOT.glob(name), *ROOT.glob(f"{name}.py")]] == []


def threats_in_tests() -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for numbers in re.findall(r"#.*?\bthreats? ((?:\d+(?:-\d+|,| and|,? )*\s*)+)", file.read_text()):
            for first, last in re.findall(r"(\d+)(?:-(\d+))?", numbers):
                for number in range(int(first), int(last or first) + 1):
                    found.setdefault(number, set()).add(file.relative_to(ROOT / "tests").as_posix())
    return found


def test_the_list_of_threats_tells_which_test_covers_which():
    listed: dict[int, set[str]] = {}
    for number, files in re.findall(r"^\| (\d+) \|.*\| (.*?) \|$", page("threats.md"), re.MULTILINE):
        listed[int(number)] = set(re.findall(r"`([^`]+)`", files))
    assert listed == threats_in_tests()

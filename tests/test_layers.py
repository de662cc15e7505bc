"""Who may import whom within app/: the table of docs/architecture.md."""

import ast
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from tests.support.sandbox import ROOT

ANYTHING = None

# Package -> what it may import of app/, besides itself and app.errors. A package that is not here has no place yet.
LAYERS: dict[str, set[str] | None] = {
    "errors": set(),
    "version": set(),
    "pace": set(),
    "settings": set(),
    "claude": set(),
    "store": set(),
    "protocols": {"app.claude.events"},
    "access": {"app.store"},
    "services": {"app.settings", "app.claude", "app.access", "app.store"},
    "web": {"app.version"},
    "api": {"app.protocols", "app.services", "app.access", "app.claude", "app.web"},
    "admin": {"app.services", "app.access", "app.claude", "app.web", "app.protocols.decode"},
    "ops": {"app.services", "app.web"},
    "cli": {"app.settings", "app.services", "app.access", "app.claude", "app.store"},
    "__init__": ANYTHING,
}
WEB = {"app", "app.services", "app.web", "app.api", "app.admin", "app.ops"}
# Module -> the only places that may import it. Flask's own foundations count as Flask.
CONFINED = {
    "flask": WEB,
    "flask_sock": WEB,
    "jinja2": WEB,
    "werkzeug": WEB,
    "pexpect": {"app.claude.login_helper"},
    "ptyprocess": {"app.claude.login_helper"},
    "subprocess": {"app.claude.process"},
    "gevent": set(),
    "gunicorn": set(),
    # An import that is made up at run time could not be seen here.
    "importlib": set(),
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Every dotted name that the source imports, wherever it does."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, places: set[str]) -> bool:
    """`app.claude.events.Line` is within `app.claude`; only the package itself is within `app`."""
    return any(name == place or (place != "app" and name.startswith(place + ".")) for place in places)


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    return [
        f"{module} imports {name}"
        for name in imports(source, module, is_package=is_package)
        if not _allowed(module, name)
    ]


def _allowed(module: str, name: str) -> bool:
    top = name.partition(".")[0]
    if top == "app":
        return _allowed_within_app(module, name)
    layer = module.split(".")[1] if "." in module else "__init__"
    return layer != "errors" and within(module, CONFINED.get(top, {module}))


def _allowed_within_app(module: str, name: str) -> bool:
    layer = module.split(".")[1] if "." in module else "__init__"
    allowed = LAYERS[layer]
    if allowed is ANYTHING:
        return True
    return layer != "errors" and within(name, allowed | {"app.errors", "app.pace", f"app.{layer}"})


@pytest.mark.parametrize("path", sorted((ROOT / "app").rglob("*.py")), ids=module_name)
def test_a_module_imports_only_what_its_layer_may(path: Path):
    found = violations(path.read_text("utf-8"), module_name(path), is_package=path.name == "__init__.py")
    assert found == []


def test_every_package_has_its_place_in_the_table():
    entries = (path for path in (ROOT / "app").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists())
    assert {path.stem for path in entries} <= LAYERS.keys()


def test_the_table_of_the_page_is_this_one():
    rows = re.findall(r"^\| ([a-z, ]+) \| (.+?) \|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    listed = {
        package: set(re.findall(r"\w+", allowed.partition("(")[0])) - {"errors", "nothing"}
        for packages, allowed in rows[1:]  # below the head
        for package in packages.split(", ")
    }
    whole = {package: {name.split(".")[1] for name in allowed or ()} for package, allowed in LAYERS.items()}
    assert listed | {"__init__": set(), "protocols": {"claude"}} == whole


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app.errors", "import logging"),
        ("app.errors", "from app import settings"),
        ("app.settings", "from app.claude.command import PASSED_THROUGH"),
        ("app.claude.turn", "from app.settings import Settings"),
        ("app.claude.turn", "from app import services"),
        ("app.claude.turn", "from app.protocols.prompt import Prompt"),
        ("app.claude.turn", "from flask import current_app"),
        ("app.claude.turn", "import subprocess"),
        ("app.claude.turn", "import gevent.lock"),
        ("app.claude.login", "import pexpect"),
        ("app.protocols.sse", "from app.claude.process import ClaudeProcess"),
        ("app.protocols.sse", "from app.claude import process"),
        ("app.protocols.sse", "from ..claude import process"),
        ("app.protocols.sse", "def f():\n    import flask"),
        ("app.protocols.sse", "import werkzeug.exceptions as e"),
        ("app.protocols.sse", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.store import files"),
        ("app.store.files", "from app.access import keys"),
        ("app.access.keys", "import app.claude.command"),
        ("app.services", "from app.protocols import sse"),
        ("app.services", "from app.api import views"),
        ("app.services", "import gevent"),
        ("app.api.views", "from app.ops import views"),
        ("app.api.views", "from app.settings import load"),
        ("app.admin.views", "from app.api.auth import require_key"),
        ("app.admin.views", "from app.protocols import sse"),
        ("app.ops.docs", "from app.api.descriptions.chat import CHAT"),
        ("app.web.openapi", "from app.services import services"),
        ("app.ops.views", "from app.claude import pool"),
        ("app.ops.views", "import importlib"),
    ],
)
def test_a_violation_is_found(module: str, source: str):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("app.claude.process", "import subprocess"),
        ("app.claude.login_helper", "import pexpect"),
        ("app.claude.turn", "from app.claude import conversation\nfrom app.errors import CliCrashed"),
        ("app.claude.turn", "from . import conversation\nfrom .. import errors"),
        ("app.protocols.sse", "from app.claude.events import StreamEvent\nimport msgspec"),
        ("app.services", "from flask import current_app\nfrom app.errors import SettingsError"),
        ("app.api.errors", "from werkzeug.exceptions import HTTPException"),
    ],
)
def test_what_the_table_allows_is_let_through(module: str, source: str):
    assert violations(source, module) == []


def test_the_factory_may_import_what_it_wires():
    assert violations("import flask\nfrom app.api import views", "app", is_package=True) == []
    assert violations("from .ops.views import blueprint", "app", is_package=True) == []
    assert violations("import gevent", "app", is_package=True) == ["app imports gevent"]


def test_no_name_of_the_factory_hides_a_module():
    """Else `from app import errors` brings another module than app/errors.py, and says nothing of it."""
    modules = {f"app.{module.name}" for module in pkgutil.iter_modules(app.__path__)}
    assert [name for name in modules & sys.modules.keys() if getattr(app, name[4:]) is not sys.modules[name]] == []

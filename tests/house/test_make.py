import os
import re
import subprocess

import pytest

from tests.house.files import read
from tests.support.sandbox import ROOT


def make(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["/usr/bin/env", "make", "-C", str(ROOT), "--no-print-directory", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


def test_make_without_a_target_lists_every_target_with_its_description():
    lines = make().splitlines()
    assert lines == make("help").splitlines()
    listed = {re.fullmatch(r"  make ([\w-]+) +\S.*", line)[1] for line in lines}
    assert listed == targets()
    assert {"demo", "run", "test", "check", "bench", "image", "image-test", "setup", "lock", "clean"} <= listed


def test_every_recipe_is_one_line_and_sets_up_what_it_needs():
    for target, recipe in re.findall(r"^([a-z-]+):.*\n((?:\t.*\n?)*)", read("Makefile"), re.MULTILINE):
        assert recipe.count("\t") == 1, target
        assert target in ("help", "clean", "image") or "scripts/setup.sh " in recipe, target


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", "scripts/demo.py", "docs/deploy.md", ".ci/run"])
def test_documents_name_only_targets_that_exist(document: str):
    named = set(re.findall(r"(?:^|`|\.\.\. )make ([a-z-]+)", read(document), re.MULTILINE))
    assert named
    assert named <= targets()


def test_arguments_reach_pytest():
    assert "-m pytest -k some_name" in make("-n", "test", "ARGS=-k some_name")


def test_ci_runs_the_check_and_the_tests_and_nothing_else():
    assert read(".ci/run").splitlines() == ["#!/usr/bin/env bash", "set -euo pipefail", "make check", "make test"]
    assert os.access(ROOT / ".ci/run", os.X_OK)

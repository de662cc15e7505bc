"""What each protection is for: with it taken away, the same real CLI does what it must not.

So the traps of ground.py are real ones, and a CLI that needs a protection no longer says so here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.security.driver import Driver, driven, installation
from tests.security.ground import Traps, set_traps
from tests.support.cli import VERSIONS
from tests.support.processes import wait_until
from tests.support.sandbox import Sandbox, running_sandbox

ATTACHMENTS = "CLAUDE_CODE_DISABLE_ATTACHMENTS"
FILE_MENTIONS = "CLAUDE_CODE_DISABLE_FILE_MENTIONS"
MEMORIES = "CLAUDE_CODE_DISABLE_CLAUDE_MDS"
HISTORY = "CLAUDE_CODE_SKIP_PROMPT_HISTORY"
SOURCES = "--setting-sources="
SERVERS = "--strict-mcp-config"
PERSISTENCE = "--no-session-persistence"
COMMANDS = "--disable-slash-commands"
# Bare, the CLI has little that could go wrong; with a login it cannot be bare.
BARE = "--bare"


@dataclass(frozen=True)
class Lab:
    version: str
    root: Path
    sandbox: Sandbox
    traps: Traps

    def say(self, one: str, *, without: Sequence[str] = (), cwd: Path | None = None) -> str:
        """What the CLI ends the turn with."""
        where = installation(self.root, self.version, self.sandbox)
        with driven(where, without=(BARE, *without), cwd=cwd) as driver:
            return self.said(driver, one)

    def said(self, driver: Driver, one: str) -> str:
        return driver.say(self.traps.render(one)).result

    def calls(self) -> int:
        return len(self.sandbox.messages())

    def told(self) -> set[str]:
        """The traps whose content went upstream."""
        everything = str(self.sandbox.requests())
        return {place for place, word in self.traps.words.items() if word in everything}

    def kept(self, words: str) -> list[Path]:
        """The files that hold these words."""
        return [path for path in self.root.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def own_sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture(params=VERSIONS)
def lab(request: pytest.FixtureRequest, own_sandbox: Sandbox, tmp_path: Path) -> Lab:
    own_sandbox.clear()
    return Lab(request.param, tmp_path, own_sandbox, set_traps(tmp_path))


MENTION = "look at @{canary}"


def test_a_mentioned_file_goes_upstream_when_nothing_forbids_it(lab: Lab):  # threat 1
    lab.say(MENTION, without=[ATTACHMENTS, FILE_MENTIONS])
    assert lab.told() == {"trap/canary.txt"}


def test_the_variable_for_attachments_is_enough_against_mentions(lab: Lab):  # threat 1
    lab.say(MENTION, without=[FILE_MENTIONS])
    assert (lab.told(), lab.calls()) == (set(), 1)


def test_2_1_197_does_not_know_the_variable_for_mentions(lab: Lab):  # threat 1
    lab.say(MENTION, without=[ATTACHMENTS])
    assert lab.told() == ({"trap/canary.txt"} if lab.version == "2.1.197" else set())


@pytest.mark.parametrize("command", ["/context", "/heapdump", "/config theme=dark", "/init"])
def test_a_command_that_is_not_guarded_swallows_the_prompt(lab: Lab, command: str):  # threat 2
    assert "isn't available in this environment" in lab.say(command)
    assert lab.calls() == 0


@pytest.mark.parametrize(("command", "did"), [("/context", "Context Usage"), ("/config theme=dark", "Set Theme")])
def test_a_command_acts_when_neither_the_guard_nor_the_flag_forbids_it(lab: Lab, command: str, did: str):  # threat 2
    assert did in lab.say(command, without=[COMMANDS])
    assert lab.calls() == 0


def test_the_guard_alone_makes_a_command_a_text(lab: Lab):  # threat 2
    lab.say("\n/context", without=[COMMANDS])
    assert lab.calls() == 1


def test_an_unknown_command_is_swallowed_by_2_1_197_only(lab: Lab):  # threats 2, 25
    lab.say("/foobar")
    assert lab.calls() == (0 if lab.version == "2.1.197" else 1)


def with_the_volume_as_its_own_config(lab: Lab) -> None:
    """As it was before processes had a config directory of their own."""
    own = lab.root / "data/home/config"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.symlink_to(lab.root / "data/claude")


def test_hooks_of_the_config_directory_run_without_the_flag_for_sources(lab: Lab):  # threat 6
    with_the_volume_as_its_own_config(lab)
    lab.say("Hello.", without=[SOURCES])
    assert lab.traps.proof.exists()


def test_hooks_of_the_working_directory_run_without_the_flag_for_sources(lab: Lab):  # threat 5
    (lab.root / "data/claude/settings.json").unlink()
    lab.say("Hello.", without=[SOURCES], cwd=lab.root / "data")
    assert lab.traps.proof.exists()


def test_planted_mcp_servers_are_started_without_both_flags(lab: Lab):  # threats 5, 6
    for settings in lab.root.rglob("settings*.json"):
        settings.unlink()
    where = installation(lab.root, lab.version, lab.sandbox)
    with driven(where, without=[BARE, SOURCES, SERVERS], cwd=lab.root / "data") as driver:
        lab.said(driver, "Hello.")
        wait_until(lab.traps.proof.exists, 5, "the planted server ran")


def test_memory_files_go_upstream_without_their_two_protections(lab: Lab):  # threat 5
    with_the_volume_as_its_own_config(lab)
    lab.say("Hello.", without=[SOURCES, MEMORIES], cwd=lab.root / "data")
    assert lab.told() >= {"data/claude/CLAUDE.md", "data/CLAUDE.md"}


def test_nothing_planted_in_the_working_directory_counts(lab: Lab):  # threat 5
    lab.say("Hello.", cwd=lab.root / "data")
    assert (lab.told(), lab.calls(), lab.traps.proof.exists()) == (set(), 1, False)


def test_a_prompt_is_kept_on_disk_without_its_two_protections(lab: Lab):  # threat 10
    lab.say("Remember the word lapis-lazuli.", without=[PERSISTENCE, HISTORY])
    assert [path.suffix for path in lab.kept("lapis-lazuli")] == [".jsonl"]


@pytest.mark.parametrize("without", [[], [PERSISTENCE], [HISTORY]])
def test_each_protection_alone_keeps_a_prompt_off_the_disk(lab: Lab, without: Sequence[str]):  # threat 10
    lab.say("Remember the word lapis-lazuli.", without=without)
    assert lab.kept("lapis-lazuli") == []

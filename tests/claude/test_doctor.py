"""What the operator's shell can tell without asking Anthropic."""

from pathlib import Path

from app.claude.account import Facts, Person, judge
from app.claude.command import Installation
from app.claude.doctor import PROCESS_BYTES, doctor
from app.claude.evidence import Evidence
from app.claude.login_file import LoginFile
from app.claude.problems import Problem
from app.errors import CliCrashed
from tests.support.cli import claude_binary

# threat 35

PLENTY = 10 * PROCESS_BYTES
PLACE = {"container_layer", "in_memory"}  # where pytest's folders happen to be


def house(root: Path, binary: Path) -> Installation:
    for name in ("claude", "data", "home", "empty", "tmp"):
        (root / name).mkdir(mode=0o700)
    return Installation(binary, root / "claude", root / "home", root / "empty", root / "tmp")


def examined(installation: Installation, *, signed_in: bool = True, memory: int = PLENTY, **options) -> list[Problem]:
    source, login = (".credentials.json", LoginFile("sound")) if signed_in else ("", LoginFile("absent"))
    evidence = Evidence(source, proved=True)
    account = judge(Facts(source, "subscription", login, Person(), evidence, installation.config_dir), 0.0)
    found = doctor(installation, installation.config_dir.parent / "data", account, memory, **options)
    return [each for each in found if each.code not in PLACE]


def test_a_sound_installation_has_nothing_to_tell(tmp_path: Path):
    assert examined(house(tmp_path, claude_binary())) == []


def test_all_that_is_wrong_is_told_with_the_worst_first(tmp_path: Path):
    installation = house(tmp_path, tmp_path / "none")
    installation.config_dir.chmod(0o755)
    (tmp_path / "data").rmdir()
    found = examined(installation, signed_in=False, memory=PROCESS_BYTES)
    assert [each.code for each in found] == ["cli_missing", "signed_out", "missing", "open_folder", "little_memory"]
    assert [each.severity for each in found] == ["error"] * 3 + ["warning"] * 2
    assert str(tmp_path / "none") in found[0].message
    assert "300 MB" in found[-1].message
    assert all(each.fix for each in found)


def test_a_cli_that_does_not_run_is_told_in_its_own_words(tmp_path: Path):
    def version(_: Installation) -> None:
        raise CliCrashed("claude 2.0.1 is too old: at least 2.1.197 is needed.")

    (told,) = examined(house(tmp_path, claude_binary()), version=version)
    assert (told.code, told.message) == ("cli_unusable", "claude 2.0.1 is too old: at least 2.1.197 is needed.")

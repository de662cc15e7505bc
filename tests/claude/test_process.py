"""A `claude` process from its start to its end."""

import os
import select
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.claude import process as process_module
from app.claude.command import HARDENING, PASSED_THROUGH, Installation, command_line
from app.claude.events import Line, StreamEventLine
from app.claude.process import ClaudeProcess
from app.claude.worker import installed_version
from app.errors import CliCrashed, PosternError
from tests.claude.misbehaving import GONE_SECONDS, group, installation, worker
from tests.support import stub_claude
from tests.support.processes import alive, die_with_parent, open_files, wait_until
from tests.support.sandbox import ROOT

MEGABYTE = 1 << 20


@contextmanager
def spawned(*command: str, **options: float) -> Iterator[ClaudeProcess]:
    process = ClaudeProcess(command, {}, Path("/"), **options)
    try:
        yield process
    finally:
        process.close()


# ---- a start


def test_a_start_from_another_thread_is_refused():  # threat 15
    refused: list[Exception] = []

    def start() -> None:
        try:
            ClaudeProcess(["/bin/cat"], {}, Path("/"))
        except RuntimeError as error:
            refused.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert [str(error) for error in refused] == ["a claude process must be started from the main thread"]


def test_a_program_that_is_not_there_is_told_to_the_log_and_leaves_nothing_open():  # threat 24
    before = open_files(os.getpid())
    with pytest.raises(CliCrashed, match="could not be started") as caught:
        ClaudeProcess(["/nowhere/claude"], {}, Path("/"))
    assert "/nowhere/claude" in caught.value.detail
    assert open_files(os.getpid()) <= before


def test_a_process_that_ends_at_once_is_a_crash_with_its_exit_code(tmp_path: Path):  # threat 18
    with pytest.raises(CliCrashed, match="ended unexpectedly") as caught, worker(tmp_path, start="exit"):
        pass
    assert "exit code 1" in caught.value.detail


@pytest.mark.parametrize("at_once", [True, False])
def test_a_process_gets_nothing_but_what_is_on_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
):  # threats 3, 8, 24
    """Where the system marks all descriptors at once, and where it cannot."""
    monkeypatch.setattr(process_module, "_MARKS_ALL", at_once)
    with Path(os.devnull).open() as inheritable:
        os.set_inheritable(inheritable.fileno(), True)
        with worker(tmp_path, dump=True):
            (dump,) = stub_claude.dumps(tmp_path / "bin")
    own = {"CLAUDE_CONFIG_DIR", "CLAUDE_SECURESTORAGE_CONFIG_DIR", "HOME", "LANG", "PATH", "TMPDIR"}
    # Python sets LC_CTYPE for itself where the locale is C.
    assert set(dump["environ"]) - {"LC_CTYPE"} <= PASSED_THROUGH | HARDENING.keys() | own
    assert "hunter2" not in str(dump)
    assert [str(tmp_path / "bin/claude"), *dump["argv"]] == command_line(
        Installation(tmp_path / "bin/claude", *[tmp_path] * 4, passed={"ANTHROPIC_API_KEY": "x"}), "sonnet"
    )
    assert (dump["cwd"], dump["files"]) == (str(tmp_path / "empty"), [0, 1, 2])


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("2.1.196 (Claude Code)", "claude 2.1.196 (Claude Code) is too old: at least 2.1.197 is needed."),
        ("1.0.0", "claude 1.0.0 is too old: at least 2.1.197 is needed."),
        ("Welcome!", "does not tell its version."),
        ("", "does not tell its version."),
    ],
)
def test_a_version_that_will_not_do_is_refused_with_a_sentence(tmp_path: Path, version: str, said: str):  # threat 25
    with pytest.raises(CliCrashed) as caught:
        installed_version(installation(tmp_path, version=version))
    assert str(caught.value).endswith(said)


def test_a_newer_version_is_let_in(tmp_path: Path):  # threat 25
    assert installed_version(installation(tmp_path, version="3.0.1 (Claude Code)")) == (3, 0, 1)


# ---- its pipes


def test_a_megabyte_of_errors_before_the_first_line_stops_nothing(tmp_path: Path):  # threat 20
    with worker(tmp_path, start="stderr") as ready:
        assert ready.usable


def test_a_process_that_reads_nothing_is_left_at_once_when_it_is_ended():  # threat 20
    with spawned("/bin/sleep", "60") as process:
        ending = threading.Timer(0.3, process.terminate)
        ending.start()
        begun = time.monotonic()
        with pytest.raises(PosternError):
            process.write([{"text": "x" * 10 * MEGABYTE}])
        assert time.monotonic() - begun < 2
        ending.join()


def test_an_echo_of_ten_megabytes_comes_back_whole():  # threats 20, 21
    line = {"type": "system", "subtype": "x" * 10 * MEGABYTE}
    with spawned("/bin/cat") as process:
        # As `cat` answers while it is written to, somebody must read meanwhile.
        writing = threading.Thread(target=process.write, args=([line],))
        writing.start()
        lines = []
        while not lines:
            lines = process.read(5)
        writing.join()
    assert [len(line.subtype) for line in lines] == [10 * MEGABYTE]


def test_a_line_without_end_is_a_crash_and_is_let_go():  # threat 21
    endless = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with spawned(sys.executable, "-ISc", endless) as process, pytest.raises(CliCrashed, match="too long"):
        read_until_it_fails(process)


def lines_of(*types: str) -> bytes:
    return b"".join(b'{"type":"stream_event","event":{"type":"%b"}}\n' % kind.encode() for kind in types)


def said(lines: list[Line]) -> list[str]:
    return [line.event["type"] for line in lines if isinstance(line, StreamEventLine)]


def is_delta(line: Line) -> bool:
    return said([line]) == ["delta"]


@contextmanager
def saying(first: bytes, then: str = "cat") -> Iterator[ClaudeProcess]:
    """A process that says this, then does that; `cat` gives back what is written to it."""
    with spawned("/bin/sh", "-c", f'printf %s "$0"; exec {then}', first.decode()) as process:
        wait_until(lambda: select.select([process], [], [], 0)[0], 5, "it said something")
        yield process


def tapped(process: ClaudeProcess, seconds: float = 5) -> Iterator[list[str]]:
    """What the tap gives, as kinds; ends when only `read` can go on, or when so many seconds were silent."""
    tap = process.tap(is_delta)
    assert tap
    with closing(tap):
        while select.select([tap], [], [], seconds)[0] and (lines := tap.read()) is not None:
            yield said(lines)


def test_what_is_wanted_is_read_in_place_of_read_and_the_rest_by_it():
    with saying(lines_of("delta", "delta")) as process:
        found = tapped(process)
        assert next(found) == ["delta", "delta"]
        process.write([{"type": "stream_event", "event": {"type": kind}} for kind in ("delta", "stop", "delta")])
        assert not any(found)
        assert process.tap(is_delta) is None  # what was not wanted comes first
        assert said(process.read(1)) == ["delta", "stop", "delta"]
        assert process.read(0.01) == []  # with its time limit


def test_half_a_line_waits_for_the_other_half():
    with saying(lines_of("delta") + b'{"type":"stream_') as process:
        assert [kinds for kinds in tapped(process, 0.3) if kinds] == [["delta"]]
        process.write([{}])
        with pytest.raises(CliCrashed, match="not understood"):
            process.read(5)


def test_a_tap_never_waits_and_leaves_nothing_open():  # threat 24
    with saying(lines_of("delta")) as process:
        before = open_files(os.getpid())
        assert list(tapped(process, 0.4)) == [["delta"]]
        with closing(process.tap(is_delta)) as tap:
            assert tap.read() == []
        assert open_files(os.getpid()) <= before
        assert process.read(0.01) == []


def test_an_end_while_reading_what_is_wanted_is_told_by_read():  # threat 18
    with saying(lines_of("delta"), then="true") as process:
        assert list(tapped(process)) == [["delta"]]
        with pytest.raises(CliCrashed, match="ended unexpectedly"):
            process.read(1)


def test_what_cannot_be_understood_is_a_crash_there_too():  # threat 18
    with saying(b"what?\n") as process, pytest.raises(CliCrashed, match="not understood"):
        list(tapped(process))


def test_a_process_that_was_closed_is_read_no_more():
    with saying(lines_of("delta")) as process:
        tap = process.tap(is_delta)
        process.close()
        assert process.tap(is_delta) is None
        assert said(tap.read()) == ["delta"]  # from a descriptor of its own
        tap.close()


def read_until_it_fails(process: ClaudeProcess) -> None:
    while True:
        process.read(5)


def test_a_line_that_is_no_json_is_a_crash():  # threat 18
    with spawned("/usr/bin/yes", "Welcome!") as process, pytest.raises(CliCrashed, match="not understood"):
        process.read(5)


# ---- its end


@pytest.mark.parametrize("start", ["hang", "ignore SIGTERM and hang", "fork", "stderr"])
def test_close_leaves_nothing_of_a_process_behind(tmp_path: Path, start: str):  # threat 14
    binary = stub_claude.install(tmp_path, start=start)
    with spawned(str(binary), grace=0.3) as process:
        wait_until(lambda: stub_claude.starts(tmp_path), 5, "it runs")
        wait_until(lambda: start != "fork" or len(group(process.pid)) == 2, 5, "its own child runs")
        time.sleep(0.1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    wait_until(lambda: group(process.pid) == set(), 2, "what it has started is gone, too")  # it was killed already
    assert not Path(f"/proc/{process.pid}").exists(), "it was reaped"


def test_close_twice_does_no_harm():
    with spawned("/bin/cat") as process:
        process.close()


def test_a_process_ends_with_its_parent_however_that_ends(tmp_path: Path):  # threat 14
    binary = stub_claude.install(tmp_path, start="ignore SIGTERM and hang")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(binary)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509  # one system call
    )
    with parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        wait_until(lambda: not alive(pid), GONE_SECONDS, "the process is gone")


PARENT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from app.claude.process import ClaudeProcess
    print(ClaudeProcess(sys.argv[1:], {}, Path("/")).pid, flush=True)
    time.sleep(60)
""")


def test_two_hundred_processes_leave_no_descriptor_and_no_thread_behind():  # threat 24
    with spawned("/bin/cat"):
        pass
    before = open_files(os.getpid()), threading.active_count()
    for _ in range(200):
        with spawned("/bin/cat") as process:
            process.write([{"type": "x"}])
    wait_until(
        lambda: open_files(os.getpid()) <= before[0] and threading.active_count() <= before[1], 5, "nothing is left"
    )

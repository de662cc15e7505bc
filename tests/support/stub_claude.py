"""A `claude` that misbehaves as it is told.

It speaks the protocol as far as the gateway uses it. `install` says what it does at its start; what it does in a turn
stands in the prompt: `prompt("segv", at="middle")`. In the folder of the executable it notes its starts, and with
`dump` its arguments, environment and open files.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

VERSION = "2.1.330 (Claude Code)"
WORDS = ["one", " two", " three", " four"]
MEGABYTE = 1 << 20


def install(folder: Path, *, start: str = "", at_ready: str = "", version: str = VERSION, dump: bool = False) -> Path:
    """Makes the executable. `start`: what it does before it reads anything; `at_ready`: at the first request."""
    folder.mkdir(parents=True, exist_ok=True)
    behave(folder, start=start, at_ready=at_ready, version=version, dump=dump)
    executable = folder / "claude"
    executable.write_text(f"#!{sys.executable} -IS\n{Path(__file__).read_text()}")
    executable.chmod(0o755)
    return executable


def behave(folder: Path, *, start: str = "", at_ready: str = "", version: str = VERSION, dump: bool = False) -> None:
    """For processes that start from now on."""
    behaviour = {"start": start, "at_ready": at_ready, "version": version, "dump": dump}
    temporary = folder / "behaviour.new"
    temporary.write_text(json.dumps(behaviour))
    temporary.rename(folder / "behaviour.json")


def prompt(action: str, *, at: str = "turn") -> str:
    """`at`: "history", "turn" (before the answer), "middle" (of it), or "end" (after it)."""
    return json.dumps({"at": at, "do": action})


def starts(folder: Path) -> int:
    """How many processes were started, those that were asked for their version left out."""
    log = folder / "starts"
    return len(log.read_text().split()) if log.exists() else 0


def dumps(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in folder.glob("dump-*.json")]


# What follows runs in the executable.


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def say(line: dict) -> None:
    write(json.dumps(line).encode() + b"\n")


def event(**members: object) -> dict:
    return {"type": "stream_event", "event": members}


def delta(text: str) -> dict:
    return event(type="content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def hang() -> None:
    while True:
        time.sleep(60)


def fork_child(*, own_session: bool) -> None:
    """A process whose parent has ended; with a session of its own no signal to the group reaches it."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    if own_session:
        os.setsid()
    if os.fork():
        os._exit(0)
    for descriptor in range(3):
        os.close(descriptor)
    os.execv("/bin/sleep", ["sleep", "30"])  # noqa: S606  # nobody's text


def drip() -> None:
    while True:
        say(delta("drop "))
        time.sleep(0.1)


def talk(line: dict) -> None:
    while True:
        say(line)
        time.sleep(0.001)


def flood(line: dict, megabytes: int = 200) -> None:
    data = (json.dumps(line).encode() + b"\n") * 1000
    for _ in range(megabytes * MEGABYTE // len(data)):
        write(data)


ACTIONS = {
    "": lambda: None,
    "bad utf-8": lambda: write(b'{"type":"stream_event","event":{"type":"\xff\xfe"}}\n') or hang(),
    "daemon": lambda: fork_child(own_session=True),
    "drip": drip,
    "exit": lambda: os._exit(1),
    "flood": lambda: flood(delta("x" * 900)) or hang(),
    "flood of unknown lines": lambda: flood({"type": "weather", "text": "x" * 900}) or hang(),
    "fork": lambda: fork_child(own_session=False),
    "half a line": lambda: write(b'{"type":"stream_event","ev') or os._exit(0),
    "hang": hang,
    "ignore SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "ignore SIGTERM and hang": lambda: (signal.signal(signal.SIGTERM, signal.SIG_IGN), hang()),
    "long line": lambda: write(json.dumps(delta("x" * 20 * MEGABYTE)).encode() + b"\n") or hang(),
    "no protocol": lambda: write(b"Welcome to Claude Code!\n") or hang(),
    "result": lambda: say({"type": "result", "subtype": "success", "is_error": False, "result": "done"}),
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "stderr": lambda: [os.write(2, b"e" * 1024) for _ in range(1024)],
    "unknown lines": lambda: talk({"type": "weather", "sun": True}),
    "unknown line": lambda: say({"type": "weather", "sun": True}),
}


def dump(folder: Path) -> None:
    found = {"argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd(), "files": open_files()}
    (folder / f"dump-{os.getpid()}.json").write_text(json.dumps(found))


def open_files() -> list[int]:
    """Without the one that lists them."""
    return sorted(int(name) for name in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{name}").exists())


def question_of(line: dict) -> dict:
    """What the prompt asks for, if it asks for something."""
    try:
        asked = json.loads(line["message"]["content"][-1]["text"])
        return asked if isinstance(asked, dict) else {}
    except (ValueError, KeyError):
        return {}


def answer(line: dict) -> None:
    asked = question_of(line)
    action = ACTIONS[asked.get("do", "")]
    if asked.get("at") == "turn":
        action()
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-stub", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None}
    say(event(type="message_start", message={**message, "usage": {"input_tokens": 1, "output_tokens": 1}}))
    say(event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}))
    for index, word in enumerate(WORDS):
        if index == 2 and asked.get("at") == "middle":
            time.sleep(0.2)  # so that the beginning is read before what comes now
            action()
        say(delta(word))
    say(event(type="content_block_stop", index=0))
    say(
        event(
            type="message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4}
        )
    )
    say(event(type="message_stop"))
    if asked.get("at") == "end":
        action()
    say({"type": "result", "subtype": "success", "is_error": False, "result": "".join(WORDS), "num_turns": 1})


def serve(behaviour: dict) -> None:
    at_ready = behaviour["at_ready"]
    for raw in sys.stdin:
        line = json.loads(raw)
        if line["type"] == "control_request":
            ACTIONS[at_ready]()
            at_ready = ""
            found = {"totalTokens": 7} if line["request"]["subtype"] == "get_context_usage" else {}
            response = {"subtype": "success", "request_id": line["request_id"], "response": found}
            say({"type": "control_response", "response": response})
        elif line.get("shouldQuery") is False:
            asked = question_of(line)
            ACTIONS[asked["do"] if asked.get("at") == "history" else ""]()
            say({"type": "result", "subtype": "success", "is_error": False, "result": "", "num_turns": 0})
        elif line["type"] == "user":
            answer(line)


def main() -> None:
    folder = Path(sys.argv[0]).parent
    behaviour = json.loads((folder / "behaviour.json").read_text())
    if sys.argv[1:] == ["--version"]:
        print(behaviour["version"])
        return
    with (folder / "starts").open("a") as log:
        log.write(f"{os.getpid()}\n")
    if behaviour["dump"]:
        dump(folder)
    ACTIONS[behaviour["start"]]()
    serve(behaviour)


if __name__ == "__main__":
    main()

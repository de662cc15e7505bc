"""A `claude` process made ready for one conversation: spawned, warmed up, later configured by its request."""

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from app.claude import abilities, conversation, memory, tools
from app.claude.abilities import Abilities
from app.claude.account import credentials, hide_person, with_login
from app.claude.command import TOOL_SERVER, Installation, command_line, environment
from app.claude.conversation import JsonLine, Prompt
from app.claude.events import ControlRequestLine, ControlResponseLine, Line
from app.claude.process import ClaudeProcess, Tap, run_and_read
from app.claude.tools import Call, ToolServer
from app.claude.trail import Trail, is_taken_back
from app.errors import CliCrashed, CliError, CliRefused, CliTimeout

log = logging.getLogger(__name__)

# Older ones were not tried. Newer ones are let in with a warning: unknown lines and fields are tolerated.
OLDEST, NEWEST = (2, 1, 197), (2, 1, 330)
# From here on `set_model` takes a system prompt, so that `initialize` need not wait for the request, and a whole
# conversation can be taken back.
_LATE_SYSTEM_PROMPT = (2, 1, 330)
_READY_SECONDS = 30.0
_PROBE_SECONDS = 60.0  # long after whoever made it has used it
_EXERCISE_SECONDS = 3.0
# The CLI says that a turn is over some 5 ms after the answer's end.
_SETTLE_SECONDS = 5.0
_WIPE_SECONDS = 5.0
# From the last word of an answer to the end of its turn it takes some milliseconds.
_TURN_ENDS_WITHIN_SECONDS = 0.25
# A process grows a little with each conversation.
_MOST_CONVERSATIONS = 500


def installed_version(installation: Installation) -> tuple[int, ...]:
    """Asks the program itself. Raises CliCrashed with a sentence for the operator."""
    output = run_and_read([str(installation.binary), "--version"], environment(installation), installation.empty_dir)
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", output)
    if not match:
        raise CliCrashed(f"{installation.binary} does not tell its version.", detail=output[:200])
    version = tuple(int(part) for part in match.groups())
    if version < OLDEST:
        raise CliCrashed(f"claude {output.strip()} is too old: at least {_dotted(OLDEST)} is needed.")
    if version > NEWEST:
        log.warning("claude %s is newer than %s, the newest that was tried", output.strip(), _dotted(NEWEST))
    return version


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


class Worker:
    """Serves one conversation at a time, and another one only after `wipe` (threat 9)."""

    def __init__(self, installation: Installation, version: tuple[int, ...], model: str, *, exercise: bool = False):
        """Spawns, and returns when the process answers. Raises CliCrashed, CliTimeout."""
        self.model = model
        self._installation = installation
        self._signed_in = credentials(installation) is not None
        started_with = with_login(installation)
        self._passed = started_with.passed
        hide_person(installation)
        self._initialized = False
        self._abilities = Abilities()
        # For a full id, such as claude-haiku-4-5, `set_model` first asks upstream a question of its own.
        self._late = version >= _LATE_SYSTEM_PROMPT and not model.startswith("claude-")
        self._tools = ToolServer()
        self._told: Mapping[str, Any] = {}  # the body's members, as the process has them
        self._may_ask = True  # upstream; see forbid_further_requests
        self._settling: threading.Thread | None = None
        self.waits_for_results = False  # its turn is not over: the calls come a little later than the answer's end
        self._has_system = False
        self._had_tools = False
        self._trail = Trail()
        self._conversations = 1
        self._process = ClaudeProcess(
            command_line(started_with, model), environment(started_with), installation.empty_dir
        )
        try:
            self._warm_up(exercise)
            if not self.usable:
                raise CliCrashed("The login has changed while a claude process started.", detail=f"pid {self.pid}")
        except BaseException:
            self._process.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def resident(self) -> int:
        return memory.resident(self.pid)

    @property
    def usable(self) -> bool:
        """Alive, and not from before the last sign-in.

        A process that has started without a login goes on without one, and one that was given a token or a key goes on
        with that. A login in the CLI's own file is read at each message.
        """
        return (
            self._process.alive
            and (self._signed_in or credentials(self._installation) is None)
            and self._passed == with_login(self._installation).passed
        )

    def write(self, messages: Sequence[Mapping[str, Any]]) -> None:
        self._process.write([self._trail.wrote(message) for message in messages])

    def read(self, timeout: float) -> list[Line]:
        """What the CLI asks of the tools' server is answered, and left out."""
        lines = self._process.read(timeout)
        for line in lines:
            self._trail.heard(line)
        return [line for line in lines if not self._answers(line)]

    def tap(self, wanted: Callable[[Line], bool]) -> Tap | None:
        return self._process.tap(wanted)

    def kill(self) -> None:
        self._process.kill()

    def terminate(self) -> None:
        if self.waits_for_results or self._tools.calls:  # then SIGTERM does not end it soon
            self._process.kill()
        else:
            self._process.terminate()

    def close(self) -> None:
        self._process.close()
        # One that was killed leaves its session's files behind, and one that ends soon what it has tried the disk with.
        own, shared = self._installation.own_config / "sessions", self._installation.temp_dir / f"claude-{os.getuid()}"
        for left_over in own.glob(f"{self.pid}.*"):
            left_over.unlink(missing_ok=True)
        for probe in shared.glob("fswatch-probe-*"):
            with suppress(OSError):  # it is another process's, which has just done with it
                if time.time() - probe.stat().st_mtime > _PROBE_SECONDS:
                    shutil.rmtree(probe) if probe.is_dir() else probe.unlink()

    @property
    def full_model(self) -> str:
        """Known once it is configured."""
        return self._abilities.name

    @property
    def calls(self) -> dict[str, Call]:
        """Tool calls that wait for their results."""
        return self._tools.calls

    @property
    def can_be_wiped(self) -> bool:
        """It is worth a try. Under a login, the CLI names tools that were called in a header ever after."""
        return (
            self._late
            and not self._tools.called
            and self._trail.can_be_taken_back
            and self._conversations < _MOST_CONVERSATIONS
            and self.usable
        )

    def wipe(self) -> None:
        """Makes it ready for another conversation: nothing of this one is left. Interrupts a turn that is in flight.

        Takes some milliseconds, `_WIPE_SECONDS` at the most, and what the process takes to read what is written.
        Raises CliError; then the process must be closed.
        """
        if not self.can_be_wiped:
            raise CliRefused("The claude CLI cannot forget this conversation.", detail=f"pid {self.pid}")
        deadline = time.monotonic() + _WIPE_SECONDS
        if not self.await_settled(_WIPE_SECONDS):
            raise CliTimeout("The claude CLI did not end its turn in time.", detail=f"pid {self.pid}")
        self._let_turn_end()
        if self._tools.called:  # meanwhile
            raise CliRefused("The claude CLI cannot forget this conversation.", detail=f"pid {self.pid}")
        self._process.begin_anew()
        self._tools.offer(())
        listed = self._tools.listed
        # Names of their own: an answer to what was asked before may still come.
        back = [] if self._trail.empty else [self._trail.take_back("wipe-conversation")]
        rest = [
            *([conversation.no_system_prompt("wipe-system", self.model)] if self._has_system else []),
            *self._settings("wipe-body", self._usual_body()),
            *([tools.changed("wipe-tools")] if self._had_tools else []),
        ]
        answers = self._ask_all([*back, *rest], deadline)
        if back and not is_taken_back(answers["wipe-conversation"]):
            reason = answers["wipe-conversation"].get("reason")
            raise CliRefused("The claude CLI did not forget a conversation.", detail=f"pid {self.pid}: {reason}")
        while not self._trail.idle or (self._had_tools and self._tools.listed == listed):
            if time.monotonic() >= deadline:  # a line of it may still wait to be taken
                raise CliTimeout("The claude CLI did not forget a conversation in time.", detail=f"pid {self.pid}")
            self.read(deadline - time.monotonic())
        self._tools.calls.clear()
        self._trail = Trail()
        self._has_system = False
        self.waits_for_results = False
        self._conversations += 1

    def _let_turn_end(self) -> None:
        deadline = time.monotonic() + _TURN_ENDS_WITHIN_SECONDS
        while not self._trail.idle and not self._tools.calls and (left := deadline - time.monotonic()) > 0:
            self.read(left)

    def configure(self, prompt: Prompt) -> list[JsonLine]:
        """The lines, if any, that give the process this conversation's system prompt, tools and parameters."""
        lines = []
        self._has_system = bool(prompt.system)
        self._tools.offer(prompt.tools)
        self._had_tools = self._had_tools or bool(prompt.tools)
        if not self._initialized:
            self._initialize(prompt.system, [TOOL_SERVER] if prompt.tools else [])
        else:
            if prompt.system:
                lines.append(conversation.late_system_prompt("system", self.model, prompt.system))
            if prompt.tools:
                lines.append(tools.changed("tools"))
        return [*lines, *self._settings("body", self._body(prompt))]

    def forbid_further_requests(self) -> None:
        """Until the next question. Raises CliCrashed, CliTimeout."""
        self._may_ask = False
        self._process.write([conversation.no_further_request("once")])

    def settle(self) -> None:
        """When the answer is there: makes the process ready for the next question, in a thread of its own."""
        self._settling = threading.Thread(target=self._settle, daemon=True, name=f"claude-{self.pid}-settle")
        self._settling.start()

    def await_settled(self, seconds: float | None = None) -> bool:
        """Whether it is; waits for it, so many seconds at the most."""
        if self._settling:
            self._settling.join(seconds)
        return not self._settling or not self._settling.is_alive()

    def reconfigure(self, prompt: Prompt) -> list[JsonLine]:
        """The lines, if any, that give the process the parameters of the next request in the same conversation."""
        self.waits_for_results = False
        if not self._trail.idle:  # it waits for results
            self._process.begin_anew()
        return self._settings("body", self._body(prompt))

    def _settle(self) -> None:
        deadline = time.monotonic() + _SETTLE_SECONDS
        try:
            while not self._trail.idle and (left := deadline - time.monotonic()) > 0:
                self.read(left)
            self._process.begin_anew()
            if not self._may_ask:
                self._process.write([conversation.further_requests("again")])
                self._may_ask = True
        except CliError as error:
            log.debug("a claude process ended after its answer: %s (%s)", error, error.detail)
        if not self._trail.idle:
            self.kill()

    def _settings(self, request_id: str, body: Mapping[str, Any]) -> list[JsonLine]:
        """The line, if one is needed, with which the process has this body and may ask upstream.

        Each costs the CLI 3 milliseconds of processor.
        """
        if self._may_ask and _same(body, self._told):
            return []
        line = conversation.request_body(request_id, body, further=not self._may_ask)
        self._told, self._may_ask = body, True
        return [line]

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        fitted = self._abilities.fitted(prompt.parameters, may_budget=abilities.may_budget(prompt.messages))
        return self._body_of(fitted, prompt.tools)

    def _usual_body(self) -> dict[str, Any]:
        """Of a request without parameters and tools."""
        return self._body_of(self._abilities.fitted({}), ())

    def _body_of(self, parameters: Mapping[str, Any], offered: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The tools stand here, for so they reach upstream with all that the client said of them.

        And they stand here for ever after: the CLI itself goes on to send tools that it has once sent.
        """
        return {**parameters, **({"tools": list(offered)} if self._had_tools else {})}

    def _answers(self, line: Line) -> bool:
        if not isinstance(line, ControlRequestLine):
            return False
        if answer := self._tools.hear(line):
            self._process.write([answer])
        return True

    def _warm_up(self, exercise: bool) -> None:
        if not self._late:
            self._ask(conversation.request_body("ready", {}))
            return
        self._initialize([], [TOOL_SERVER])
        self._process.write(self._settings("usual", self._usual_body()))
        if exercise:
            # Only to be quicker later: an upstream that does not answer keeps no process from serving.
            with suppress(CliTimeout, CliRefused):
                self._ask(conversation.control_request("exercise", "get_context_usage"), _EXERCISE_SECONDS)

    def _initialize(self, system: Sequence[str], servers: Sequence[str]) -> None:
        ready = self._ask(conversation.initialize("ready", system, servers))
        self._abilities = abilities.of_model(ready.get("models", []), self.model)
        self._initialized = True

    def _ask(self, request: JsonLine, seconds: float = _READY_SECONDS) -> dict[str, Any]:
        return self._ask_all([request], time.monotonic() + seconds)[request["request_id"]]

    def _ask_all(self, requests: Sequence[JsonLine], deadline: float) -> dict[str, dict[str, Any]]:
        """The answers by the requests' ids. Raises CliCrashed, CliRefused, CliTimeout."""
        self._process.write(requests)
        answers: dict[str, dict[str, Any]] = {}
        wanted = {request["request_id"] for request in requests}
        while wanted - answers.keys():
            if (left := deadline - time.monotonic()) <= 0:
                raise CliTimeout("The claude CLI did not answer in time.", detail=f"pid {self.pid}")
            for line in self.read(left):
                if isinstance(line, ControlResponseLine) and line.response.request_id in wanted:
                    if line.response.subtype != "success":
                        raise CliRefused("The claude CLI refused its configuration.", detail=line.response.error)
                    answers[line.response.request_id] = line.response.response or {}
        return answers


def _same(body: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Also to upstream, to which true is not 1, and the order of a schema's members matters.

    But for the tools, which may be long: they are part of the conversation (continuity).
    """
    written, had = ({name: value for name, value in each.items() if name != "tools"} for each in (body, told))
    return body == told and msgspec.json.encode(written) == msgspec.json.encode(had)

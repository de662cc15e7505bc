"""The engine of the sign-in wizard: one login at a time, its steps and deadlines, and what an administrator is told."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from app.claude import login_files
from app.claude.account import credentials, environment_login
from app.claude.command import Installation
from app.claude.login_input import checked
from app.claude.login_job import Event, sign_in_job, sign_out_job, start_helper
from app.claude.login_link import GENUINE_HOSTS, Link, genuine, moved
from app.claude.login_trial import verdict_of
from app.claude.process import LineProcess
from app.errors import CliRefused, CliTimeout, InvalidRequest, LoginBusy, PosternError, ShuttingDown

log = logging.getLogger(__name__)

State = Literal["idle", "starting", "awaiting_code", "verifying", "succeeded", "refused", "failed", "expired"]
UNDER_WAY = frozenset({"starting", "awaiting_code", "verifying"})

_TICK = 0.1
_SIGN_OUT_SECONDS = 30.0
_OVER_SECONDS = 10.0
_PUT_BACK_SECONDS = 5.0

STARTING = "The claude CLI is starting."
OPEN_LINK = "Open the link, sign in, and paste the code that is shown there."
PASTE_TOKEN = "Run `claude setup-token` where you are signed in, and paste the token that it prints."  # noqa: S105  # no secret
PASTE_KEY = "Paste an API key of the Claude Console."
EXCHANGING = "The claude CLI hands the code in."
STORING = "The secret is being stored."
TESTING = "The login is stored. A test question is being asked."
SUCCEEDED = "Signed in: a test question was answered."
NO_LINK = "The claude CLI showed no sign-in link in time. Start again."
FALSE_LINK = "The claude CLI showed a link that is not a sign-in page of Anthropic's, so it is not shown here."
TOO_LATE = "No code came in time. Start again for a new link."
STUCK = "The claude CLI did not finish in time. Start again."
STAYS = "It stays in force; test it again when the trouble may be over."
SLOW_TEST = f"The login was stored, but a test question was not answered in time. {STAYS}"
PUT_BACK = "It was not kept: the login from before is in force again."
NOT_KEPT = "It was not kept: as before, nobody is signed in."
NOT_PUT_BACK = "It is in force all the same, for the login from before could not be put back. Sign in again."
CHANGED = "Somebody else has signed in meanwhile: that login is in force."
ENDED = "The claude CLI ended unexpectedly. Start again."
BROKEN = "The gateway could not go on with the sign-in"
REFUSED = {"token": "Anthropic refused this token.", "api_key": "Anthropic refused this API key."}
REFUSED_LOGIN = "Anthropic accepted the sign-in, but refused the login that it gave."
ELSEWHERE = "Someone signs in already, in the shell or in another gateway that shares this login."


@dataclass(frozen=True)
class Limits:
    """Seconds that each step may take."""

    link: float = 30.0
    code: float = 900.0
    exchange: float = 60.0
    verify: float = 60.0


@dataclass(frozen=True)
class LoginStatus:
    """`version` grows with each change. `deadline` is when the step is given up, in unix seconds."""

    state: State = "idle"
    method: str = ""
    url: str = ""
    message: str = ""
    holder: str = ""
    started_at: float | None = None
    deadline: float | None = None
    version: int = 0
    asks_again: bool = False  # a code was not taken: `message` says why
    overruled_by: str = ""  # the login was stored and could not be tried: this variable of the operator's wins over it


def untried(name: str) -> str:
    return (
        f"The login is stored, but could not be tried: {name} in the gateway's environment is what is used, not this "
        f"login. Remove {name} there and restart the gateway; then test the login."
    )


@dataclass(frozen=True)
class _End:
    state: State
    message: str
    overruled_by: str = ""


class _Attempt:
    """One sign-in and its helper. To `stop` is asked once; `over` is when nothing of the helper is left."""

    def __init__(self, process: LineProcess, method: str):
        self.process = process
        self.method = method
        self.link: Link | None = None
        self.false_link = False
        self.texts: deque[str] = deque()
        self.stop = threading.Event()
        self.over = threading.Event()


class Login:
    """Threads: every method may be called from any, but `start` from the main thread only, or from a greenlet."""

    def __init__(
        self,
        installation: Installation,
        verify: Callable[[], None],
        *,
        limits: Limits = Limits(),
        genuine_hosts: Collection[str] = GENUINE_HOSTS,
        sign_in_base: str = "",
        clock: Callable[[], float] = time.time,
        put_back: Callable[[], None] = lambda: None,
    ):
        """`verify` asks a test question and raises a PosternError when there is no answer.

        `put_back` is called when the login from before a refused one is in force again.
        With `sign_in_base` the link keeps its path and query, and leads there: the demo's own sign-in page.
        """
        self._installation = installation
        self._verify = verify
        self._limits = limits
        self._genuine_hosts = genuine_hosts
        self._sign_in_base = sign_in_base
        self._clock = clock
        self._tell_put_back = put_back
        self._changed = threading.Condition()
        self._one_at_a_time = threading.Lock()
        self._status = LoginStatus()
        self._attempt: _Attempt | None = None
        self._closed = False

    def start(self, method: str, holder: str, *, email: str = "", force: bool = False) -> LoginStatus:
        """A new sign-in; one of the same holder's is given up for it, another's only with `force`.

        Raises LoginBusy, InvalidRequest, ShuttingDown, CliCrashed.
        """
        job = sign_in_job(self._installation, method, email)
        with self._one_at_a_time:
            if self._closed:
                raise ShuttingDown("The gateway is shutting down.", retry_after=5)
            self._refuse_others(holder, force)
            self._give_up()
            attempt = _Attempt(start_helper(self._installation, job), method)
            with self._changed:
                self._attempt = attempt
                begun = self._clock()
                self._tell("starting", STARTING, self._limits.link, method=method, holder=holder, started_at=begun)
        log.info("sign-in by %s: started", method)
        threading.Thread(target=self._run, args=(attempt,), daemon=True, name="login").start()
        return self._status

    def submit(self, text: str, holder: str) -> LoginStatus:
        """The pasted `code#state`, or the token or API key. Raises InvalidRequest, LoginBusy."""
        with self._changed:
            self._refuse_others(holder, force=False)
            attempt = self._attempt
            if attempt is None or self._status.state != "awaiting_code":
                raise InvalidRequest("No sign-in waits for this. Start a new one.", param="code")
            attempt.texts.append(checked(text, attempt.method, attempt.link.state if attempt.link else ""))
            message = EXCHANGING if attempt.link else STORING
            self._tell("verifying", message, self._limits.exchange)
            return self._status

    def status(self) -> LoginStatus:
        return self._status

    def wait(self, version: int, seconds: float) -> LoginStatus:
        """The status as soon as it is another one than `version`, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._status.version != version, seconds)
            return self._status

    def abandon(self, holder: str, *, force: bool = False) -> LoginStatus:
        """Ends what is under way and leaves nothing of it; another's only with `force`. Raises LoginBusy."""
        with self._one_at_a_time:
            self._refuse_others(holder, force)
            self._give_up()
            return self._status

    def close(self) -> None:
        """For the gateway's end: nothing can be started after it."""
        with self._one_at_a_time:
            self._closed = True
            self._give_up()

    def _refuse_others(self, holder: str, force: bool) -> None:
        now = self._status
        if now.state in UNDER_WAY and now.holder != holder and not force:
            since = time.strftime("%H:%M", time.gmtime(now.started_at))
            raise LoginBusy(f"{now.holder} has been signing in since {since} UTC. Wait, or take over.")

    def _give_up(self) -> None:
        attempt = self._attempt
        with self._changed:
            if attempt:
                attempt.stop.set()
            if self._status.state != "idle":
                self._tell("idle", "", None, method="", holder="", started_at=None)
        if attempt:
            attempt.over.wait(_OVER_SECONDS)

    def _tell(self, state: State, message: str, seconds: float | None, **others: Any) -> None:
        """The lock is held."""
        self._status = replace(
            self._status,
            state=state,
            message=message,
            deadline=None if seconds is None else self._clock() + seconds,
            version=self._status.version + 1,
            **{"url": "", "asks_again": False, "overruled_by": "", **others},
        )
        self._changed.notify_all()

    # The attempt's own thread.

    def _run(self, attempt: _Attempt) -> None:
        end: _End | None = None
        try:
            if self._follow(attempt):
                end = self._try_out(attempt)
        except PosternError as error:
            log.warning("the helper of a sign-in ended: %s (%s)", error, error.detail)
            end = _End("failed", ENDED)
        except Exception:  # whatever it is, the wizard must not stand still
            log.exception("a sign-in failed")
            end = _End("failed", ENDED)
        finally:
            self._clean_up(attempt)
        if end:
            self._end(attempt, end.state, end.message, end.overruled_by)

    def _clean_up(self, attempt: _Attempt) -> None:
        try:
            attempt.process.close()
            login_files.sweep(self._installation.temp_dir, attempt.process.pid)
        except Exception:  # nothing more can be done, and the wizard must go on
            log.exception("a sign-in's helper could not be closed")
        finally:
            attempt.over.set()

    def _follow(self, attempt: _Attempt) -> bool:
        """True when a login has been stored."""
        while not attempt.stop.is_set():
            for line in attempt.process.read_lines(_TICK):
                event = msgspec.json.decode(line, type=Event)
                if event.event == "done":
                    return True
                self._hear(attempt, event)
            self._look_at_the_clock(attempt)
            while attempt.texts:
                attempt.process.write([{"text": attempt.texts.popleft()}])
        return False

    def _hear(self, attempt: _Attempt, event: Event) -> None:
        match event.event:
            case "links":
                self._see_links(attempt, event.links)
            case "ready":
                message = PASTE_TOKEN if attempt.method == "token" else PASTE_KEY
                self._move(attempt, "awaiting_code", message + self._overruled(), self._limits.code)
            case "asks_again":
                message = f"The claude CLI did not take the code ({event.said}). Paste it again."
                url = self._url(attempt)
                self._move(attempt, "awaiting_code", message, self._limits.code, url=url, asks_again=True)
            case "refused":
                self._end(attempt, "refused", f"Anthropic did not accept the code. The claude CLI says: {event.said}")
            case "broken":
                self._end(attempt, "failed", f"{BROKEN}: {event.said}.")
            case "busy":
                self._end(attempt, "failed", ELSEWHERE)
            case _:
                reason = f"The sign-in did not work. The claude CLI says: {event.said}" if event.said else ENDED
                self._end(attempt, "failed", reason)

    def _see_links(self, attempt: _Attempt, links: list[str]) -> None:
        """The first genuine one is the one; no other takes its place."""
        if attempt.link is None:
            found = (genuine(link, self._genuine_hosts) for link in links)
            attempt.link = next((link for link in found if link), None)
            attempt.false_link = bool(links) and attempt.link is None
            if attempt.link:
                message = OPEN_LINK + self._overruled()
                self._move(attempt, "awaiting_code", message, self._limits.code, url=self._url(attempt))

    def _url(self, attempt: _Attempt) -> str:
        if attempt.link is None:
            return ""
        return moved(attempt.link, self._sign_in_base) if self._sign_in_base else attempt.link.url

    def _look_at_the_clock(self, attempt: _Attempt) -> None:
        now = self._status
        if now.deadline is None or self._clock() < now.deadline:
            return
        match now.state:
            case "starting":
                self._end(attempt, "failed", FALSE_LINK if attempt.false_link else NO_LINK)
            case "awaiting_code":
                self._end(attempt, "expired", TOO_LATE)
            case _:
                self._end(attempt, "failed", STUCK)

    def _try_out(self, attempt: _Attempt) -> "_End | None":
        """None when it is given up."""
        if name := environment_login(self._installation):
            return _End("failed", untried(name), name)
        self._move(attempt, "verifying", TESTING, self._limits.verify)
        deadline = self._status.deadline or 0
        verdict = verdict_of(self._verify, attempt.stop, lambda: self._clock() >= deadline)
        match verdict.kind:
            case "answered":
                return _End("succeeded", SUCCEEDED)
            case "given_up":
                self._put_back(attempt)
                return None
            case "refused":
                return _End("refused", f"{REFUSED.get(attempt.method, REFUSED_LOGIN)} {self._put_back(attempt)}")
            case "late":
                return _End("failed", SLOW_TEST)
            case _:
                return _End("failed", f"The login was stored, but a test question failed: {verdict.reason} {STAYS}")

    def _put_back(self, attempt: _Attempt) -> str:
        """What was there before the sign-in is there again; says what is in force."""
        try:
            attempt.process.write([{"put_back": True}])
            event = _last_event(attempt.process, _PUT_BACK_SECONDS, "The login could not be put back in time.")
        except PosternError as error:
            log.warning("the login from before could not be put back: %s (%s)", error, error.detail)
            return NOT_PUT_BACK
        if event.event != "put_back":
            log.warning("the login from before was not put back: %s %s", event.event, event.said)
            return CHANGED if event.event == "changed" else NOT_PUT_BACK
        self._tell_put_back()
        return PUT_BACK if credentials(self._installation) else NOT_KEPT

    def _overruled(self) -> str:
        name = environment_login(self._installation)
        return f" But {name} in the gateway's environment is what is used, not this login." if name else ""

    def _move(self, attempt: _Attempt, state: State, message: str, seconds: float, **others: Any) -> None:
        with self._changed:
            if not attempt.stop.is_set():
                self._tell(state, message, seconds, **others)

    def _end(self, attempt: _Attempt, state: State, message: str, overruled_by: str = "") -> None:
        with self._changed:
            if not attempt.stop.is_set():
                attempt.stop.set()
                self._tell(state, message, None, overruled_by=overruled_by)
                log.info("sign-in by %s: %s", attempt.method, state)


def sign_out(installation: Installation) -> str:
    """Removes the login, upstream too where that can be reached; gives what the CLI said of it.

    From the main thread only, or from a greenlet. Raises LoginBusy while somebody signs in, CliError when it failed.
    """
    process = start_helper(installation, sign_out_job(installation))
    try:
        event = _last_event(process, _SIGN_OUT_SECONDS, "The login could not be removed in time.")
    finally:
        process.close()
        login_files.sweep(installation.temp_dir, process.pid)
    if event.event == "busy":
        raise LoginBusy(ELSEWHERE)
    if event.event != "done":
        raise CliRefused("The login could not be removed.", detail=event.said)
    return event.said


def _last_event(process: LineProcess, seconds: float, late: str) -> Event:
    """Raises CliTimeout, which says `late`, and CliCrashed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for line in process.read_lines(_TICK):
            return msgspec.json.decode(line, type=Event)
    raise CliTimeout(late, detail=f"pid {process.pid}")

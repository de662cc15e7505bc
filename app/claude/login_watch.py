"""Keeps an eye on the login: notices changes of its files, remembers what real requests showed, keeps a good copy."""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from app.claude import login_file
from app.claude.account import Account, Facts, Person, credentials, judge, method_of, person_in
from app.claude.command import Installation
from app.claude.evidence import Evidence, Seen, from_json, to_json
from app.claude.login_copy import LoginCopy, Write
from app.claude.login_file import LoginFile, problems_of, read_login
from app.claude.volume import in_container
from app.errors import PosternError

log = logging.getLogger(__name__)

_INTERVAL_SECONDS = 4.0  # a login made beside the gateway is noticed within 10 s
_SAVE_SECONDS = 60.0
_JOIN_SECONDS = 2.0


def _directly(work: Callable[[], None]) -> None:
    work()


class LoginWatch:
    """`write` puts a file there whole or not at all. `off_loop` runs what waits for the disk."""

    def __init__(
        self,
        installation: Installation,
        data_dir: Path,
        write: Write,
        *,
        off_loop: Callable[[Callable[[], None]], object] = _directly,
        clock: Callable[[], float] = time.time,
        interval: float = _INTERVAL_SECONDS,
    ):
        """Reads what an earlier run has left. Starts nothing."""
        self._installation = installation
        self._file = installation.config_dir / login_file.NAME
        self._copy = LoginCopy(self._file, data_dir / "login-copy", write)
        self._notes = data_dir / "login-state.json"
        self._write = write
        self._off_loop = off_loop
        self._clock = clock
        self._interval = interval
        self._container = in_container()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._person = Person()
        self._person_stamp: object = None
        self._complaints: dict[str, str] = {}
        self._told = ""
        self._saved_at = 0.0
        self._evidence = self._saved = self._read_notes()

    # ---- what the way of a completion calls

    def answered(self) -> None:
        """A real request has been answered."""
        with self._lock:
            if not self._evidence.proved or self._evidence.kind:  # else the same login goes on as before
                self._compare()
            self._evidence = self._evidence.answered(self._clock())

    def failed(self, error: PosternError) -> None:
        """A real request has failed; an error that says nothing of the login is ignored."""
        with self._lock:
            self._compare()
            self._evidence = self._evidence.failed(error, self._clock())

    # ---- what the pages and the shell call

    def account(self) -> Account:
        """As it is now: the files are looked at again, which takes less than a millisecond."""
        login, source = self._notice()
        decisive = source in ("", login_file.NAME)
        has_copy = self._can_restore(login)
        problems = problems_of(self._file, login, container=self._container, has_copy=has_copy)
        facts = Facts(
            source=source,
            method=method_of(self._installation, source),
            login=login if decisive else LoginFile("absent"),
            # Whose key or token a variable holds, the CLI's files do not say.
            person=self._person if source.startswith(".") or login.damaged else Person(),
            evidence=self._evidence,
            config_dir=self._installation.config_dir,
            container=self._container,
            file_problems=tuple(problems) if decisive else (),
        )
        return judge(facts, self._clock())

    def can_restore(self) -> bool:
        return self._can_restore(self._notice()[0])

    def restore_copy(self) -> None:
        """Blocks (fsync). Raises InvalidRequest, when there is nothing to restore, and OSError."""
        self._copy.restore()

    def forget_copy(self) -> None:
        """After a sign-out. Blocks."""
        self._copy.forget()

    # ---- the watch itself

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True, name="login-watch")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread:
            self._thread.join(_JOIN_SECONDS)
        self._trying("notes", self._save)

    def look(self) -> None:
        """One round. Raises nothing that a full disk brings: the next round tries again."""
        login, _ = self._notice()
        self._take_over()
        self._tell()
        self._trying("copy", lambda: self._tend_copy(login))
        if self._evidence != self._saved and self._clock() - self._saved_at >= _SAVE_SECONDS:
            self._trying("notes", self._save)

    def _run(self) -> None:
        while not self._closed.wait(self._interval):
            try:
                self.look()
            except Exception:  # whatever it is, the watch goes on
                log.exception("the login could not be looked at")

    def _notice(self) -> tuple[LoginFile, str]:
        """The CLI's file, and what signs in: the file, a variable, or nothing."""
        with self._lock:  # so that what was read last also counts last
            return self._compare()

    def _compare(self) -> tuple[LoginFile, str]:
        login = read_login(self._file)
        self._notice_person()
        source = credentials(self._installation) or ""
        seen = Seen(
            source=source,
            account_id=(login.account_id or self._person.account_id) if source.startswith(".") else "",
            fingerprint=self._fingerprint(source, login),
            renews=source == login_file.NAME,
            damaged=login.damaged,
            written_at=login.written_at,
        )
        self._evidence = self._evidence.at_the_sight_of(seen)
        return login, source

    def _notice_person(self) -> None:
        try:
            found = (self._installation.config_dir / ".claude.json").stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError:
            stamp = None
        if stamp != self._person_stamp:  # it may be long
            self._person, self._person_stamp = person_in(self._installation.config_dir), stamp

    def _fingerprint(self, source: str, login: LoginFile) -> str:
        if source in ("", login_file.NAME):
            return login.fingerprint
        if source in self._installation.passed:
            value = self._installation.passed[source].encode("utf-8", "replace")
        else:
            value = _content(self._installation.config_dir / source) if source != ".claude.json" else b""
        return hashlib.sha256(value).hexdigest()[:16]

    def _tell(self) -> None:
        account = self.account()
        told = f"{account.state} ({account.source or 'no credential'})"
        if told != self._told:
            log.info("the login is %s", told)
            self._told = told

    # ---- what is kept on the disk

    def _can_restore(self, login: LoginFile) -> bool:
        return login.state != "sound" and not self._is_signed_out(login) and self._copy.exists()

    def _tend_copy(self, login: LoginFile) -> None:
        if self._is_signed_out(login):
            if self._copy.exists() and not self._may_come_back():
                self._off_loop(self._copy.forget)
            return
        if login.state != "sound" or not self._is_worth_keeping(login):
            return
        self._off_loop(lambda: self._copy.keep(login.content))
        if self._is_signed_out(self._notice()[0]):  # meanwhile
            self._off_loop(self._copy.forget)

    def _is_signed_out(self, login: LoginFile) -> bool:
        """By the CLI, which forgets the account as well, or for another login; a file that is merely gone is damage."""
        forgotten = self._person_stamp is not None and not self._person.account_id
        elsewhere = self._evidence.source not in ("", login_file.NAME)
        return login.state == "none" or (login.state == "absent" and (forgotten or elsewhere))

    def _may_come_back(self) -> bool:
        """The login that was stored last has not answered yet: if it is refused, the one before is put back."""
        evidence = self._evidence
        stored_here = evidence.source not in ("", *self._installation.passed)
        return stored_here and evidence.before is not None

    def _is_worth_keeping(self, login: LoginFile) -> bool:
        kept = self._copy.read()
        if kept.content == login.content:
            return False
        own = self._evidence.source == login_file.NAME
        renewed = kept.state == "sound" and kept.account_id == login.account_id != "" and _is_newer(login, kept)
        return (own and self._evidence.proved) or renewed

    def _save(self) -> None:
        self._notice()  # another login since the last look, and
        self._take_over()  # what was noted of it: it would be written over
        current = self._evidence
        if current != self._saved:
            self._off_loop(lambda: self._write(self._notes, to_json(current)))
            self._saved, self._saved_at = current, self._clock()

    def _take_over(self) -> None:
        """What the operator's shell has shown: it asks a question of its own after a sign-in, and notes the answer."""
        if self._evidence.proved:
            return
        noted = self._read_notes()
        if noted == self._saved or not noted.proved:  # nobody else has written it
            return
        with self._lock:
            own = self._evidence
            same = (noted.source, noted.fingerprint) == (own.source, own.fingerprint)
            if same and not own.proved and not own.kind:
                self._evidence = self._saved = noted

    def _read_notes(self) -> Evidence:
        return from_json(_content(self._notes))

    def _trying(self, what: str, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            complaint = f"the {what} of the login cannot be kept: {error.strerror or error}"
            if complaint != self._complaints.get(what):  # once, not with every round
                log.warning(complaint)
            self._complaints[what] = complaint
        else:
            self._complaints.pop(what, None)


def _is_newer(login: LoginFile, kept: LoginFile) -> bool:
    return (login.access_expires_at or 0) > (kept.access_expires_at or 0)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""

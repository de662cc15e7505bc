"""What real requests have shown of a login: only they tell whether it works. Pure."""

from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from app.claude.failures import without_hint
from app.errors import CliError, NotSignedIn, PosternError, RateLimited, UpstreamError

Kind = Literal["", "login", "upstream", "limit"]
_LONGEST_FAILURE = 300
_DEFAULT_LIMIT_SECONDS = 60.0


@dataclass(frozen=True)
class Seen:
    """A credential as it is now. `source`: the variable or file that holds it, "" when there is none."""

    source: str
    account_id: str = ""
    fingerprint: str = ""
    renews: bool = False  # a new fingerprint is the same login, renewed
    damaged: bool = False
    written_at: float = 0.0


@dataclass(frozen=True)
class Evidence:
    source: str = ""
    account_id: str = ""
    fingerprint: str = ""
    proved: bool = False  # this login has brought a real answer
    last_success_at: float | None = None
    last_refresh_at: float | None = None
    last_failure_at: float | None = None
    failure: str = ""
    kind: Kind = ""  # of a failure that no success has followed
    limited_until: float | None = None
    # What was known of the login in whose place this one came, until this one has answered.
    before: "Evidence | None" = None

    def answered(self, now: float) -> "Evidence":
        return replace(self, proved=True, last_success_at=now, kind="", limited_until=None, before=None)

    def failed(self, error: PosternError, now: float) -> "Evidence":
        kind = kind_of(error)
        if not kind or (kind == "upstream" and self._tells_more(now)):
            return self
        until = now + (error.retry_after or _DEFAULT_LIMIT_SECONDS) if kind == "limit" else None
        said = without_hint(error)[:_LONGEST_FAILURE]
        return replace(self, kind=kind, failure=said, last_failure_at=now, limited_until=until)

    def _tells_more(self, now: float) -> bool:
        """A refusal stands until an answer or another login, a limit until its time: trouble on the way says less."""
        return self.kind == "login" or (self.kind == "limit" and now < (self.limited_until or 0))

    def at_the_sight_of(self, seen: Seen) -> "Evidence":
        if not seen.source:
            # Damage is no sign-out: when it is mended, it is told when the login last worked.
            return replace(self, proved=False, fingerprint="") if seen.damaged else Evidence()
        if self._is_another(seen):
            return self._put_back(seen) or self._of_another(seen)
        known = replace(self, account_id=seen.account_id or self.account_id, fingerprint=seen.fingerprint)
        if seen.fingerprint == self.fingerprint:
            return known
        if self.kind == "login":  # a new login in the place of one that was refused
            known = replace(known, proved=False, kind="")
        return replace(known, last_refresh_at=seen.written_at)

    def _put_back(self, seen: Seen) -> "Evidence | None":
        """A sign-in that was refused changes nothing: what the login before has shown goes on to count."""
        before = self.before
        if self.kind == "login" and before and (before.source, before.fingerprint) == (seen.source, seen.fingerprint):
            return replace(before, account_id=seen.account_id or before.account_id)
        return None

    def _of_another(self, seen: Seen) -> "Evidence":
        before = replace(self, before=None) if self.source else None
        return Evidence(seen.source, seen.account_id, seen.fingerprint, before=before)

    def _is_another(self, seen: Seen) -> bool:
        if seen.source != self.source:
            return True
        if seen.account_id and self.account_id and seen.account_id != self.account_id:
            return True
        return seen.fingerprint != self.fingerprint and not seen.renews


def kind_of(error: PosternError) -> Kind:
    """What a failed request says of the login; "" when it says nothing, as with a client's own mistake."""
    match error:
        case NotSignedIn():
            return "login"
        case RateLimited():
            return "limit"
        case UpstreamError() | CliError():
            return "upstream"
        case _:
            return ""


def to_json(evidence: Evidence) -> bytes:
    return msgspec.json.encode(evidence)


def from_json(data: bytes) -> Evidence:
    """What cannot be read counts as nothing: the next request brings it anew."""
    try:
        return msgspec.json.decode(data, type=Evidence)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Evidence()

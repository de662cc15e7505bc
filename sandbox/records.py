import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

MAX_RECORDS = 5_000
# A record of a 30 MB prompt is as welcome as one of 300 bytes, but not five thousand times.
MAX_BODY_BYTES = 256 * 1024 * 1024


@dataclass
class Record:
    n: int
    method: str
    path: str
    host: str
    headers: dict[str, str]
    at: float = field(default_factory=time.time)
    raw_body: bytes = b""
    outcome: str = "open"
    closed_at: float | None = None
    deltas_sent: int = 0
    first_delta_at: float | None = None

    def close(self, outcome: str) -> None:
        if self.outcome == "open":
            self.outcome = outcome
        self.closed_at = time.time()

    def count_delta(self) -> None:
        if not self.deltas_sent:
            self.first_delta_at = time.time()
        self.deltas_sent += 1

    def to_json(self) -> dict[str, Any]:
        shown = {name: value for name, value in vars(self).items() if name != "raw_body"}
        return shown | {"body": parsed(self.raw_body)}


def parsed(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")


class Records:
    def __init__(self) -> None:
        self.entries: deque[Record] = deque(maxlen=MAX_RECORDS)
        self.count = 0
        self.body_bytes = 0

    def open(self, method: str, path: str, host: str, headers: dict[str, str]) -> Record:
        self.count += 1
        if len(self.entries) == MAX_RECORDS:
            self.forget_oldest()
        record = Record(self.count, method, path, host, headers)
        self.entries.append(record)
        return record

    def keep_body(self, record: Record, raw: bytes) -> None:
        record.raw_body = raw
        self.body_bytes += len(raw)
        while self.body_bytes > MAX_BODY_BYTES and len(self.entries) > 1:
            self.forget_oldest()

    def forget_oldest(self) -> None:
        self.body_bytes -= len(self.entries.popleft().raw_body)

    def since(self, n: int) -> list[Record]:
        return [record for record in self.entries if record.n > n]

    def clear(self) -> None:
        self.entries.clear()
        self.body_bytes = 0

"""What a gateway is put through, and what is then seen of it."""

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.gateway import Gateway

MB = 1 << 20
COMPLETIONS_IN_A_ROW = 8
# One more spare process than a row takes: where none is left, one is started at once.
POOL_FOR_ROWS = {"GATEWAY_POOL__WARM": f"{COMPLETIONS_IN_A_ROW + 1}", "GATEWAY_POOL__MAX": "20"}
_STREAM = {"model": "sonnet", "messages": [{"role": "user", "content": "hi"}], "stream": True}


@dataclass(frozen=True)
class Memory:
    """MB: what is in memory, and the process's share of it, where others use the same pages."""

    resident: float
    share: float


def memory(pid: int) -> Memory:
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = (re.findall(rf"^{name}:\s+(\d+)", told, re.MULTILINE) for name in ("Rss", "Pss"))
    rss, pss = (int(kilobytes) / 1024 for (kilobytes,) in found)
    return Memory(rss, pss)


def serving(gateway: Gateway, password: str) -> dict[str, Any]:
    """What the status tells of the server."""
    found = httpx.get(f"{gateway.url}/admin/api/status", auth=("admin", password), trust_env=False, timeout=60)
    told: dict[str, Any] = found.raise_for_status().json()["serving"]
    return told


# ---- request times, side by side


@dataclass(frozen=True)
class Times:
    """Medians in seconds: with the idle connections, and without."""

    crowded: float
    empty: float

    @property
    def ratio(self) -> float:
        return self.crowded / self.empty


def side_by_side(crowded: Gateway, empty: Gateway, requests: int, rows: int) -> tuple[Times, Times]:
    """GET /health/live and whole streamed completions, of the one and the other by turns. For gateways with
    POOL_FOR_ROWS: no process is started while one is asked, for each is replaced a second after it was taken."""
    with crowded.http() as one, empty.http() as other:
        live = _by_turns(_live, one, other, 1, requests, 0.0)
        return live, _by_turns(_completion, one, other, rows, COMPLETIONS_IN_A_ROW, 3.0)


def in_a_row(crowded: Gateway, empty: Gateway, requests: int) -> Times:
    """Whole streamed completions without a rest: processes are started beside each, those of the other gateway, too."""
    with crowded.http() as one, empty.http() as other:
        return _by_turns(_completion, one, other, 1, requests, 0.0)


def _by_turns(
    ask: Callable[[httpx.Client], None], one: httpx.Client, other: httpx.Client, rows: int, in_a_row: int, rest: float
) -> Times:
    times: dict[httpx.Client, list[float]] = {one: [], other: []}
    for _ in range(rows):
        time.sleep(rest)
        for number in range(in_a_row):
            for client in (one, other) if number % 2 else (other, one):
                begun = time.monotonic()
                ask(client)
                times[client].append(time.monotonic() - begun)
    return Times(statistics.median(times[one]), statistics.median(times[other]))


def _live(client: httpx.Client) -> None:
    assert client.get("/health/live").status_code == 200


def _completion(client: httpx.Client) -> None:
    answer = client.post("/v1/chat/completions", json=_STREAM)
    assert answer.text.endswith("data: [DONE]\n\n"), answer.text


# ---- loads


def _asked(content: object) -> dict[str, Any]:
    return {"model": "sonnet", "messages": [{"role": "user", "content": content}]}


def _post(gateway: Gateway, path: str, body: dict[str, Any], status: int = 200) -> None:
    content = json.dumps(body, ensure_ascii=False).encode()
    with gateway.http(timeout=240) as client:
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text[:300]


def _at_once(count: int, do: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(do, range(count)))


def _chats(gateway: Gateway, *texts: str) -> None:
    for text in texts:
        _post(gateway, "/v1/chat/completions", _asked(text))


def _stranger(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=60) as client:
        answer = client.post("/v1/chat/completions", json=_asked("a" * 30 * MB))
    assert answer.status_code == 401


def _streams(gateway: Gateway) -> None:
    with gateway.http(timeout=240) as client:
        _at_once(64, lambda number: _completion(client))


def _long_conversation(gateway: Gateway) -> None:
    turns: Iterator[tuple[str, str]] = ((role, "ab" * 200) for _ in range(3000) for role in ("user", "assistant"))
    messages = [{"role": role, "content": text} for role, text in turns]
    _post(gateway, "/v1/chat/completions", {"model": "sonnet", "messages": [*messages, *_asked("hi")["messages"]]})


def _wrong_passwords(gateway: Gateway) -> None:
    def guess(number: int) -> None:
        httpx.get(f"{gateway.url}/admin/api/status", auth=("admin", f"wrong {number}"), trust_env=False, timeout=60)

    _at_once(4, guess)


def _documents(gateway: Gateway) -> None:
    with gateway.http() as client:
        for path in ("/openapi.json", "/docs", "/admin/sign-in"):
            assert client.get(path).status_code == 200


_TOOLS = [
    {"name": f"tool_{number}", "description": "ab " * 330_000, "input_schema": {"type": "object"}}
    for number in range(30)
]


def _after_a_call(given: dict[str, Any], result: object) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "t1", "name": "tool_0", "input": given}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": result}]},
    ]
    return {"model": "sonnet", "max_tokens": 9, "tools": _TOOLS[:1], "messages": messages}


def _nested(value: object, levels: int) -> object:
    return value if levels == 0 else _nested([value], levels - 1)


_RESULT = _after_a_call({}, [{"type": "text", "text": "ab " * 330}] * 30_000)
_DEEP_CALL = _after_a_call({"a": _nested([""] * 90_000 + ["ab " * 100_000], 190)}, "ok")

LOADS: dict[str, Callable[[Gateway], None]] = {
    "64 streams at once": _streams,
    "a body of 30 MiB": lambda gateway: _chats(gateway, "a" * 30 * MB, "a,{" * 10 * MB),
    "20 MiB of escapes and of emoji": lambda gateway: _chats(gateway, 'x"\n' * 4 * MB, "\U0001f600a" * 4 * MB),
    "a message of 30 MiB": lambda gateway: _post(gateway, "/v1/messages", {**_asked("ab " * 10 * MB), "max_tokens": 9}),
    "a message of 30 MiB in 30,000 texts": lambda gateway: _post(
        gateway, "/v1/messages", {**_asked([{"type": "text", "text": "ab " * 340}] * 30_000), "max_tokens": 9}
    ),
    "30 MiB of system prompt": lambda gateway: _post(
        gateway, "/v1/messages", {**_asked("hi"), "system": "ab " * 10 * MB, "max_tokens": 9}
    ),
    "30 MiB of tools": lambda gateway: _post(
        gateway, "/v1/messages", {**_asked("hi"), "tools": _TOOLS, "max_tokens": 9}
    ),
    "a tool's result of 30,000 texts": lambda gateway: _post(gateway, "/v1/messages", _RESULT),
    "a call of 90,000 empty values on 190 levels": lambda gateway: _post(gateway, "/v1/messages", _DEEP_CALL),
    "30 MiB of instructions": lambda gateway: _post(
        gateway, "/v1/responses", {"model": "sonnet", "instructions": "ab " * 10 * MB, "input": "hi"}
    ),
    "a system prompt of 30 MiB and 8 answers": lambda gateway: _post(
        gateway,
        "/v1/chat/completions",
        {
            "model": "sonnet",
            "n": 8,
            "messages": [{"role": "system", "content": "ab " * 10 * MB}, *_asked("hi")["messages"]],
        },
    ),
    "9000 tools": lambda gateway: _post(
        gateway,
        "/v1/messages",
        {
            **_asked("hi"),
            "max_tokens": 9,
            "tools": [_TOOLS[0] | {"name": f"t{number}", "description": "x"} for number in range(9000)],
        },
    ),
    "a response of 30 MiB": lambda gateway: _post(
        gateway, "/v1/responses", {"model": "sonnet", "input": "ab " * 10 * MB}
    ),
    "a body of 30 MiB from nobody": _stranger,
    "a conversation of 6000 messages": _long_conversation,
    "passwords": _wrong_passwords,
    "the documents": _documents,
}

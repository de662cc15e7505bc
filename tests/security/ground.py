"""A gateway to attack: the real CLI, signed in or with an API key, with traps around it."""

import json
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.security import poison
from tests.security.corpus import GROUPS
from tests.security.login import sign_in
from tests.support.gateway import Gateway, running_gateway
from tests.support.sandbox import Sandbox, running_sandbox

THREADS = 8
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 1 x 1
# How the CLI's own additions to a conversation begin; they are no part of what the client said.
CONTEXT = "<system-reminder>\nAs you answer the user's questions, you can use the following context:\n"

Json = dict[str, Any]


@dataclass(frozen=True)
class Traps:
    """Files that no prompt may open, each with a word of its own, and a file that no prompt may make."""

    root: Path
    words: Mapping[str, str] = field(default_factory=dict)

    @property
    def proof(self) -> Path:
        return self.root / "proof"

    def render(self, template: str) -> str:
        return template.format(
            canary=self.root / "trap/canary.txt",
            folder=self.root / "trap",
            config=self.root / "data/claude",
            proof=self.proof,
        )

    def texts(self, *groups: str) -> list[str]:
        return [self.render(text) for group in groups or GROUPS for text in GROUPS[group].values()]


def set_traps(root: Path) -> Traps:
    """The CLI's folders are those of running_gateway: it runs in data/empty, with its login in data/claude.

    All that surrounds it asks to be run (threats 5, 6).
    """
    places = (
        "canary.txt",
        "trap/canary.txt",
        "trap/can ary.txt",
        "trap/canary.png",
        "data/canary.txt",
        "data/home/canary.txt",
        "data/claude/canary.txt",
        *poison.MEMORIES,
    )
    words = {place: f"canary-{secrets.token_hex(12)}" for place in places}
    for place, word in words.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{word}\n" * 3)
    traps = Traps(root, words)
    poison.config_dir(root / "data/claude", traps.proof)
    for folder in ("data", "data/home"):
        poison.folder(root / folder, traps.proof)
    return traps


@dataclass(frozen=True)
class Ground:
    version: str
    mode: str
    sandbox: Sandbox
    gateway: Gateway
    traps: Traps

    def ask(self, *bodies: Json) -> list[httpx.Response]:
        """Several requests at a time, in their order."""
        with self.gateway.http(110) as client, ThreadPoolExecutor(THREADS) as threads:
            return list(threads.map(lambda body: self._post(client, body), bodies))

    def _post(self, client: httpx.Client, body: Json) -> httpx.Response:
        # Escaped, so that every character can be sent.
        data = json.dumps({"model": "sonnet", **body}).encode("ascii")
        return client.post("/v1/chat/completions", content=data, headers={"Content-Type": "application/json"})

    def received(self, *bodies: Json) -> list[Json]:
        """What came upstream for these requests, each answered by exactly one call."""
        self.sandbox.clear()
        answers = self.ask(*bodies)
        assert [(answer.status_code, answer.text) for answer in answers if answer.status_code != 200] == []
        calls = [call["body"] for call in self.sandbox.messages()]
        assert len(calls) == len(bodies)
        self.nothing_happened()
        return calls

    def nothing_happened(self) -> None:
        """No trapped file was told to anybody, nothing ran."""
        told = json.dumps(self.sandbox.requests())
        assert [place for place, word in self.traps.words.items() if word in told] == []
        assert not self.traps.proof.exists()


def user(content: Any) -> Json:
    return {"messages": [{"role": "user", "content": content}]}


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def image() -> Json:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def said(body: Json) -> list[tuple[str, list[Json]]]:
    """The conversation as it came upstream, less the one block and the system messages that the CLI adds."""
    turns = [(turn["role"], list(map(plain, turn["content"]))) for turn in body["messages"] if turn["role"] != "system"]
    added = [(blocks, block) for _, blocks in turns for block in blocks if block.get("text", "").startswith(CONTEXT)]
    assert len(added) <= 1
    for blocks, block in added:
        blocks.remove(block)
    return turns


def plain(block: Json) -> Json:
    return {name: value for name, value in block.items() if name != "cache_control"}


def guarded(value: str) -> str:
    """The one change that is made: a newline before a last text that begins with a slash."""
    return "\n" + value if value.startswith("/") else value


@contextmanager
def running_ground(root: Path, version: str, mode: str, environ: Mapping[str, str] | None = None) -> Iterator[Ground]:
    traps = set_traps(root)
    pool = {"MAX": "12", "WARM": "2", "WARM_MOST": "2", "EXERCISE": "false", "KEEP": "1"}
    pool = {f"GATEWAY_POOL__{name}": value for name, value in pool.items()} | {"GATEWAY_QUEUE__TIMEOUT": "100"}
    with running_sandbox() as sandbox:
        login = {}
        if mode == "login":
            sign_in(sandbox, root / "data/claude")
            through = {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}
            login = {"ANTHROPIC_API_KEY": "", "ANTHROPIC_BASE_URL": "", **through}
        with running_gateway(sandbox, root, version=version, environ={**pool, **login, **(environ or {})}) as gateway:
            yield Ground(version, mode, sandbox, gateway, traps)

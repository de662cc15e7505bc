from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from sandbox.accounts import Accounts
from sandbox.records import Record, Records
from sandbox.scripts import Scripts
from sandbox.tokens import PromptCache


@dataclass(frozen=True)
class Options:
    bind: str = "127.0.0.1"
    port: int = 0
    proxy_port: int = 0
    tls_port: int = 0
    directory: Path = Path()
    first_delay: float = 0.0
    delta_delay: float = 0.0


@dataclass
class State:
    options: Options = field(default_factory=Options)
    records: Records = field(default_factory=Records)
    scripts: Scripts = field(default_factory=Scripts)
    accounts: Accounts = field(default_factory=Accounts)
    cache: PromptCache = field(default_factory=PromptCache)


STATE: web.AppKey[State] = web.AppKey("state", State)
RECORD: web.RequestKey[Record] = web.RequestKey("record", Record)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

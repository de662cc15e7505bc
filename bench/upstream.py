"""The sandbox, which on demand tells in each delta when it was sent: `python -m bench.upstream`."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from bench.child import running
from sandbox import messages, stream
from sandbox.__main__ import die_with_parent
from sandbox.auth import authenticate
from sandbox.prompt import last_user_text
from sandbox.reply import compose
from sandbox.scripts import split_marker
from sandbox.server import create_server
from sandbox.state import RECORD, STATE, State
from tests.support.sandbox import Sandbox

# In the last user message: "w0 w1 ..." becomes "w0@NS w1@NS ...", with time.monotonic_ns() of this machine.
WANTED = "[[send times]]"
_END_OF_DELTA = b'"}}\n\n'


class Stamped(messages.Sending):
    async def send_frames(self, response: web.StreamResponse) -> bool:
        async for frame in stream.paced(stream.frames(self.reply), self.pace):
            await response.write(_stamped(frame.data) if frame.is_delta else frame.data)
            if frame.is_delta:
                self.record.count_delta()
        return True


def _stamped(data: bytes) -> bytes:
    return b"%b@%d%b" % (data.removesuffix(_END_OF_DELTA), time.monotonic_ns(), _END_OF_DELTA)


@web.middleware
async def with_send_times(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path != "/v1/messages" or WANTED.encode() not in request[RECORD].raw_body:
        return await handler(request)
    authenticate(request)
    state, body = request.app[STATE], messages.json_body(request)
    script = state.scripts.take(request[RECORD].raw_body, split_marker(last_user_text(body))[1])
    sending = Stamped(
        request, script, compose(script, body), state.cache.usage(body), messages.pace_of(request, script)
    )
    return await sending.send({}, "context_management" in body)


async def _serve() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    app = create_server(State())
    app.middlewares.append(with_send_times)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"api": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await stopped.wait()


@contextmanager
def running_upstream() -> Iterator[Sandbox]:
    """Without the proxy for logins: the processes here have an API key."""
    with running("bench.upstream") as (line, pid):
        yield Sandbox(json.loads(line)["api"], proxy="", ca="", pid=pid)


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(_serve())

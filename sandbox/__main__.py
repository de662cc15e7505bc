import argparse
import asyncio
import ctypes
import json
import os
import signal
import tempfile
from pathlib import Path

from aiohttp import web

from sandbox.certificates import Authority
from sandbox.proxy import start_proxy
from sandbox.server import create_server
from sandbox.state import Options, State

PR_SET_PDEATHSIG = 1


def options_from(arguments: list[str] | None = None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for Anthropic on loopback.")
    parser.add_argument("--bind", default="127.0.0.1", help="where the API over plain HTTP listens (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="of the API over plain HTTP (0: a free one)")
    parser.add_argument("--proxy-port", type=int, default=0, help="of the CONNECT proxy (0: a free one)")
    parser.add_argument("--tls-port", type=int, default=0, help="of the TLS server behind the proxy (0: a free one)")
    parser.add_argument("--directory", type=Path, help="where ca.pem is written (default: a temporary one)")
    parser.add_argument("--first-delay", type=float, default=0.0, help="seconds before an answer begins")
    parser.add_argument("--delta-delay", type=float, default=0.0, help="seconds between its pieces")
    return Options(**vars(parser.parse_args(arguments)))


def die_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


async def serve(options: Options, directory: Path) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    authority = Authority(directory)
    runner = web.AppRunner(create_server(State(options)), access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, options.bind, options.port).start()
    await web.TCPSite(runner, "127.0.0.1", options.tls_port, ssl_context=authority.server_context()).start()
    api_port, tls_port = (address[1] for address in runner.addresses)
    async with await start_proxy(options.proxy_port, tls_port) as proxy:
        announce(api_port, proxy.sockets[0].getsockname()[1], authority.path)
        await stopped.wait()


def announce(api_port: int, proxy_port: int, ca: Path) -> None:
    places = {"api": f"http://127.0.0.1:{api_port}", "proxy": f"http://127.0.0.1:{proxy_port}", "ca": str(ca)}
    print(json.dumps(places), flush=True)


def main() -> None:
    die_with_parent()
    options = options_from()
    with tempfile.TemporaryDirectory(prefix="sandbox-") as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        try:
            asyncio.run(serve(options, directory))
        except OSError as error:
            raise SystemExit(f"The sandbox cannot start: {error}") from None


if __name__ == "__main__":
    main()

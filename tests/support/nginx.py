"""Debian's nginx with TLS, as it stands before a gateway: at the root, and under a path prefix."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme

from tests.support.gateway import Gateway, free_port
from tests.support.processes import wait_until

PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
PREFIX = "/gate"

CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_http_version 1.1;
    server {{
        listen 127.0.0.1:{under_prefix} ssl;
        location {prefix}/ {{
            proxy_pass {gateway}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Prefix {prefix};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
        }}
    }}
    server {{
        # As proxies that know nothing of WebSockets: they leave "Upgrade" out.
        listen 127.0.0.1:{at_root} ssl;
        location / {{ proxy_pass {gateway}; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """Addresses of the gateway: `under_prefix` carries WebSockets, `at_root` does not."""

    under_prefix: str
    at_root: str


@contextmanager
def running_nginx(gateway: Gateway, folder: Path) -> Iterator[Nginx]:
    assert PROGRAM
    _certify(folder)
    ports = {"under_prefix": free_port(), "at_root": free_port()}
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, gateway=gateway.url, prefix=PREFIX, **ports))
    nginx = Nginx(f"https://localhost:{ports['under_prefix']}{PREFIX}", f"https://localhost:{ports['at_root']}")
    with (folder / "nginx.log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, "-p", folder, "-c", config], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(nginx.at_root), 10, "nginx answers")
        yield nginx
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _certify(folder: Path) -> None:
    certificate = trustme.CA().issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "certificate.pem", append=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live", verify=False, trust_env=False).status_code == 200  # noqa: S501  # its certificate is a throw-away one
    except httpx.TransportError:
        return False

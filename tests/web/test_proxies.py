"""Forwarded headers: believed from the named proxies, and from nobody else."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.errors import SettingsError
from app.settings import networks
from app.web.proxies import TrustedProxies

PROXY, CLIENT, STRANGER = "10.0.0.1", "203.0.113.9", "198.51.100.7"
HEADERS = {
    "HTTP_X_FORWARDED_FOR": CLIENT,
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "gateway.example.com",
    "HTTP_X_FORWARDED_PREFIX": "/claude",
}


def seen(trusted: Iterable[str], remote: str, **headers: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def app(environ: dict[str, Any], _: Any) -> list[bytes]:
        found.update(environ)
        return []

    environ = {"REMOTE_ADDR": remote, "wsgi.url_scheme": "http", "HTTP_HOST": "127.0.0.1:4000", "SCRIPT_NAME": ""}
    TrustedProxies(app, networks(trusted))(environ | {"PATH_INFO": "/auth"} | headers, lambda *_: None)
    return found


def test_a_trusted_proxy_tells_who_asks_and_by_which_address():  # threat 58
    found = seen(["10.0.0.0/8"], PROXY, **HEADERS)
    assert found["REMOTE_ADDR"] == CLIENT
    assert (found["wsgi.url_scheme"], found["HTTP_HOST"], found["SCRIPT_NAME"]) == (
        "https",
        "gateway.example.com",
        "/claude",
    )


@pytest.mark.parametrize("trusted", [[], ["10.9.0.0/16"]])
def test_nobody_else_is_believed(trusted):  # threat 58
    found = seen(trusted, PROXY, **HEADERS, HTTP_FORWARDED=f"for={CLIENT};proto=https", HTTP_X_REAL_IP=CLIENT)
    assert found["REMOTE_ADDR"] == PROXY
    assert (found["wsgi.url_scheme"], found["HTTP_HOST"], found["SCRIPT_NAME"]) == ("http", "127.0.0.1:4000", "")
    assert not [name for name in found if "FORWARDED" in name or "REAL_IP" in name]


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (f"{STRANGER}, {CLIENT}", CLIENT),  # the client made the first one up
        (f"{CLIENT}, 10.0.0.2", CLIENT),  # two proxies in a row
        (f"{STRANGER}, {CLIENT}, 10.0.0.3, 10.0.0.2", CLIENT),
        ("10.0.0.5", "10.0.0.5"),
        ("nonsense", PROXY),
        (f"{CLIENT}, nonsense", PROXY),
        ("", PROXY),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_client_is_the_last_one_that_no_proxy_vouches_for(forwarded, address):  # threat 58
    assert seen(["10.0.0.0/8"], PROXY, HTTP_X_FORWARDED_FOR=forwarded)["REMOTE_ADDR"] == address


def test_an_ipv4_proxy_on_a_socket_for_both_families_is_known():
    assert seen(["10.0.0.0/8"], "::ffff:10.0.0.1", HTTP_X_FORWARDED_FOR=CLIENT)["REMOTE_ADDR"] == CLIENT


@pytest.mark.parametrize("text", ["example.com", "10.0.0.1/8", ""])
def test_what_is_no_network_stops_the_start(text):
    with pytest.raises(SettingsError, match="trusted_proxies"):
        networks([text])

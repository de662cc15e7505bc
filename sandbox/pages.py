"""HTML, without any file from elsewhere. Everything that comes from a request goes through `escape`."""

import time
from collections.abc import Iterable
from html import escape

from aiohttp import web

from sandbox.links import SignIn
from sandbox.records import Record

STYLE = """
:root { color-scheme: light dark; --line: #8884; --accent: #b4552d; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 1.5rem; }
.banner { border-left: 4px solid var(--accent); background: #b4552d1a; padding: .6rem 1rem; border-radius: 4px; }
h1 { font-size: 1.5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; }
code, input, textarea { font: .9rem ui-monospace, monospace; }
input, textarea { width: 100%; box-sizing: border-box; padding: .5rem; border: 1px solid #8888; border-radius: 6px; }
button { font: inherit; padding: .5rem 1.2rem; border-radius: 6px; border: 1px solid #8888; cursor: pointer; }
button.main { background: var(--accent); border-color: var(--accent); color: #fff; }
"""
BANNER = (
    "<p class=banner><strong>This is the Postern sandbox, not Anthropic.</strong> "
    "It runs on this machine, knows no passwords and asks no model.</p>"
)


def page(title: str, body: str) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)} - Postern sandbox</title><style>{STYLE}</style>"
        f"<body><main>{BANNER}<h1>{escape(title)}</h1>{body}</main></body></html>"
    )


def answer(html: str) -> web.Response:
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'"
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=html, content_type="text/html", headers=headers)


def consent(sign_in: SignIn, email: str) -> str:
    account = "Anthropic Console account" if sign_in.is_console else "Claude subscription"
    method = ", by single sign-on" if sign_in.method == "sso" else ""
    scopes = "".join(f"<li><code>{escape(scope)}</code></li>" for scope in sign_in.scopes)
    return page(
        "Sign in to Claude Code",
        f"<p>Claude Code would like to use your (made-up) {account}{method}, and asks for:</p><ul>{scopes}</ul>"
        f"<form method=post><p><label>E-mail<input type=email name=email required value='{escape(email)}'></label></p>"
        "<p><button class=main name=decision value=authorise>Authorise</button> "
        "<button name=decision value=deny formnovalidate>Deny</button></p></form>",
    )


def code(pasted: str) -> str:
    return page(
        "Paste this code into Claude Code",
        "<p><label>Authentication code"
        f"<textarea id=code name=code rows=3 readonly autofocus>{escape(pasted)}</textarea></label></p>"
        "<p>It works once, for ten minutes.</p>",
    )


def denied() -> str:
    return page("Access denied", "<p>No code was made. You can close this window.</p>")


def signed_in() -> str:
    return page("Signed in", "<p>Claude Code has its login. You can close this window.</p>")


def overview(records: Iterable[Record]) -> str:
    rows = "".join(map(request_row, records))
    return page(
        "What arrived here",
        "<p>Point a client at this address as if it were <code>https://api.anthropic.com</code>. Script an answer with "
        "<code>[[sandbox: {&quot;words&quot;: 20}]]</code> in the prompt or with <code>POST /sandbox/script</code>; "
        "read everything with <code>GET /sandbox/requests</code>. The keys are in <code>docs/sandbox.md</code>.</p>"
        "<table><thead><tr><th>#<th>Time (UTC)<th>Request<th>Host<th>Outcome<th>Deltas</tr></thead>"
        f"<tbody>{rows or '<tr><td colspan=6>Nothing yet.</td></tr>'}</tbody></table>",
    )


def request_row(record: Record) -> str:
    clock = time.strftime("%H:%M:%S", time.gmtime(record.at))
    cells = (record.n, clock, f"{record.method} {record.path}", record.host, record.outcome, record.deltas_sent)
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"

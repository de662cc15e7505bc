"""Shows the pages of tests/pages/states.py, without the gateway behind them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from types import SimpleNamespace as Thing
from typing import Any

from flask import Blueprint, Flask, Response, render_template
from flask_sock import Sock
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from app.admin import texts
from app.ops import docs
from tests.pages.states import NOW, PAGES, account, auth, login, wizard
from tests.support.sandbox import ROOT

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# Endpoint -> rule, as the contract of docs/pages.md has them.
ENDPOINTS = {
    "root": "/",
    "setup": "/setup",
    "home": "/admin",
    "sign_in": "/admin/sign-in",
    "sign_out": "/admin/sign-out",
    "confirm": "/admin/confirm",
    "auth": "/auth",
    "auth_start": "/auth/start",
    "auth_code": "/auth/code",
    "auth_abandon": "/auth/abandon",
    "auth_left": "/auth/left",
    "sign_out_claude": "/auth/sign-out",
    "restore_login": "/auth/restore",
    "test": "/auth/test",
    "keys": "/admin/keys",
    "create_key": "/admin/keys/create",
    "rotate": "/admin/keys/rotate",
    "extend_previous": "/admin/keys/extend-previous",
    "revoke_previous": "/admin/keys/revoke-previous",
    "key": "/admin/keys/<key_id>",
    "revoke_key": "/admin/keys/<key_id>/revoke",
    "audit": "/admin/audit",
    "verify_audit": "/admin/audit/verify",
    "export_audit": "/admin/audit/export",
    "sessions": "/admin/sessions",
    "end_session": "/admin/sessions/end",
    "end_other_sessions": "/admin/sessions/end-others",
    "change_password": "/admin/password",
}


class Stage:
    """The wizard that the live tests move from state to state."""

    def __init__(self, *, sockets: bool) -> None:
        self.status = login("starting")
        self.sockets = sockets
        self.changed = Condition()

    def show(self, status: Thing) -> None:
        with self.changed:
            status.version = self.status.version + 1
            self.status = status
            self.changed.notify_all()

    def after(self, version: int) -> Thing:
        with self.changed:
            self.changed.wait_for(lambda: self.status.version != version, 20)
            return self.status


def create_app(stage: Stage) -> Flask:
    app = Flask("sample", template_folder=str(ROOT / "app/templates"), static_folder=str(ROOT / "app/static"))
    app.config["SECRET_KEY"] = "of no worth"
    texts.register(app)
    admin = Blueprint("admin", __name__)
    for endpoint, rule in ENDPOINTS.items():
        admin.add_url_rule(rule, endpoint, lambda **_: "", methods=["GET", "POST"])
    add_wizard(admin, stage)
    add_socket(admin, stage)
    app.register_blueprint(admin)
    app.register_blueprint(docs.blueprint)

    @app.get("/sample/<name>")
    def sample(name: str) -> str:
        stage.status = PAGES[name][1].get("login", stage.status)
        return page(name)

    app.after_request(with_policy)
    app.context_processor(lambda: {"csrf_token": "c5rf", "now": NOW, "docs": True})
    return app


def with_policy(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    return response


def page(name: str) -> str:
    template, context = PAGES[name]
    flash = {"home": ("success", "The password is changed."), "keys": ("error", "The name is taken.")}.get(name)
    flashed = {"get_flashed_messages": lambda **_: [flash] if flash else []}
    file = template if "/" in template else f"admin/{template}"
    return render_template(f"{file}.html", **{"signed_in": True, **flashed, **context})


def add_wizard(admin: Blueprint, stage: Stage) -> None:
    @admin.get("/auth/panel")
    def auth_panel() -> str:
        return render_template("admin/_wizard.html", **wizard(stage.status))

    @admin.get("/admin/api/login")
    def api_login() -> dict[str, Any]:
        return vars(stage.status)

    @admin.get("/live")
    def live_page() -> str:
        state = "connected" if stage.status.state == "succeeded" else "unknown"
        template, context = auth(stage.status, account=account(state))
        return render_template(f"admin/{template}.html", signed_in=True, **context)


def add_socket(admin: Blueprint, stage: Stage) -> None:
    if not stage.sockets:
        admin.add_url_rule("/auth/live", "auth_live", lambda: ("No sockets pass this proxy.", 502))
        return

    @Sock().route("/auth/live", bp=admin)
    def auth_live(socket: Any) -> None:
        version = -1
        while stage.sockets:
            version = stage.after(version).version
            socket.send(json.dumps(vars(stage.status)))


class Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


@contextmanager
def running_sample(prefix: str = "", *, sockets: bool = True) -> Iterator[tuple[str, Stage]]:
    stage = Stage(sockets=sockets)
    app = create_app(stage)
    wsgi = DispatcherMiddleware(Flask("outside"), {prefix: app}) if prefix else app
    server = make_server("127.0.0.1", 0, wsgi, threaded=True, request_handler=Silent)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{prefix}", stage
    finally:
        stage.sockets = False
        stage.show(login("idle"))
        server.shutdown()
        server.server_close()

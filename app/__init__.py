"""Postern: a gateway to the official claude CLI."""

import logging
import os

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.admin import errors as admin_errors
from app.admin import texts
from app.admin import views as admin_views
from app.admin.live import sock
from app.api import errors as api_errors
from app.api import views as api_views
from app.ops import docs as ops_docs
from app.ops import views as ops_views
from app.services import EXTENSION
from app.services.build import build
from app.settings import Settings, load, networks
from app.web import crowd, headers, messages
from app.web.policy import Who, allow, demand_policies
from app.web.proxies import TrustedProxies


def create_app(settings: Settings | None = None) -> Flask:
    """Wires. Without settings, reads config/gateway.toml and the environment. Raises SettingsError."""
    settings = settings or load(os.environ)
    logging.getLogger("app").setLevel(settings.log_level.upper())
    app = Flask(__name__)
    crowd.register(app, settings.http.requests)
    app.wsgi_app = TrustedProxies(app.wsgi_app, networks(settings.trusted_proxies))  # type: ignore[method-assign]  # Flask's own way
    running = build(settings)
    app.extensions[EXTENSION] = running
    app.config.update(
        MAX_CONTENT_LENGTH=settings.http.max_body_bytes,
        SOCK_SERVER_OPTIONS={"ping_interval": 25, "max_message_size": 4096},
    )
    texts.register(app)
    headers.register(app)
    messages.register(app, running.secret_key)
    app.register_blueprint(api_views.blueprint)
    app.register_blueprint(admin_views.blueprint)
    app.register_blueprint(ops_views.blueprint)
    if settings.docs:
        app.register_blueprint(ops_docs.blueprint)
    sock.init_app(app)
    api_errors.register(app)
    app.register_error_handler(NotFound, _for_whom_it_is)
    app.register_error_handler(MethodNotAllowed, _for_whom_it_is)
    app.view_functions["static"] = allow(Who.ANYONE)(app.view_functions["static"])
    demand_policies(app)
    return app


def _for_whom_it_is(error: HTTPException) -> Response:
    """No view was found: a page for a person, JSON for a program."""
    # Not the best of what is accepted: that is Chromium's own "application/signed-exchange;v=b3", for its parameter.
    accepted = request.accept_mimetypes
    person = accepted["text/html"] > accepted["application/json"] and not request.path.startswith("/v1")
    return admin_errors.http_error(error) if person else api_errors.http_error(error)

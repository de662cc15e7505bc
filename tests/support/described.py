"""The routes of the gateway with what they say of themselves, without the gateway behind them."""

from flask import Flask

from app.admin import views as admin_views
from app.api import views as api_views
from app.ops import docs
from app.ops import views as ops_views


def application() -> Flask:
    app = Flask("map", static_folder=None)
    for views in (api_views, ops_views, admin_views, docs):
        app.register_blueprint(views.blueprint)
    return app

"""The routes under /v1."""

from flask import Blueprint

from app.api.auth import require_key

blueprint = Blueprint("api", __name__, url_prefix="/v1")
blueprint.before_request(require_key)

"""The routes under /v1."""

from flask import Blueprint

from app.api.auth import require_key
from app.web.crowd import take_place

blueprint = Blueprint("api", __name__, url_prefix="/v1")
blueprint.before_request(require_key)
blueprint.before_request(take_place)  # of those that have a key

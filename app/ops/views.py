"""Health, for load balancers and container engines."""

from flask import Blueprint, Response, jsonify

from app.ops.descriptions import LIVE, READY
from app.services import services
from app.web.describe import describe
from app.web.policy import Who, allow

blueprint = Blueprint("ops", __name__)


@blueprint.get("/health/live")
@allow(Who.ANYONE)
@describe(LIVE)
def live() -> Response:
    return jsonify(status="ok")


@blueprint.get("/health/ready")
@allow(Who.ANYONE)
@describe(READY)
def ready() -> tuple[Response, int]:
    reasons = services().not_ready()
    return jsonify(ready=not reasons, reasons=reasons), 503 if reasons else 200

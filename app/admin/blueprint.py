"""The administrator's pages, and the same acts as JSON for scripts."""

from flask import Blueprint, current_app

from app.admin import guard, visit

blueprint = Blueprint("admin", __name__)
blueprint.before_request(guard.check)
blueprint.after_request(visit.keep)


@blueprint.context_processor
def common() -> dict[str, object]:
    """What every template is given."""
    current = visit.current()
    return {
        "csrf_token": current.csrf_token,
        "session": current.session,
        "signed_in": current.session is not None,
        "docs": "docs.page" in current_app.view_functions,  # they can be turned off
    }

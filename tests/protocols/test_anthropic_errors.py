"""Errors in Anthropic's shape."""

import json

import pytest

from app import errors
from app.errors import PosternError
from app.protocols.anthropic_answer import to_error

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PosternError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_the_one_shape(kind: type[PosternError]):
    shape = to_error(kind("No.", detail="pid 5, key sk-x", param="model"), "req_1")
    assert shape.keys() == {"type", "error", "request_id"}
    assert (shape["type"], shape["request_id"]) == ("error", "req_1")
    assert shape["error"].keys() == {"type", "message"}
    assert shape["error"]["message"] == "No."
    assert "pid 5" not in json.dumps(shape)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.InvalidRequest("No."), "invalid_request_error"),
        (errors.ContextTooLong("No."), "invalid_request_error"),
        (errors.Conflict("No."), "invalid_request_error"),
        (errors.Unauthorized("No."), "authentication_error"),
        (errors.ModelNotAllowed("No."), "permission_error"),
        (errors.UnknownModel("No."), "not_found_error"),
        (errors.UnknownAddress("No."), "not_found_error"),
        (errors.TooLarge("No."), "request_too_large"),
        (errors.RateLimited("No."), "rate_limit_error"),
        (errors.Overloaded("No."), "overloaded_error"),
        (errors.QueueFull("No."), "overloaded_error"),
        (errors.QueueTimeout("No."), "overloaded_error"),
        (errors.ShuttingDown("No."), "api_error"),
        (errors.NotSignedIn("No."), "api_error"),
        (errors.UpstreamFailed("No."), "api_error"),
        (errors.CliCrashed("No."), "api_error"),
        (errors.CliTimeout("No."), "timeout_error"),
        (errors.PosternError("No."), "api_error"),
    ],
)
def test_the_type_of_an_error_follows_its_status(error: PosternError, kind: str):
    assert to_error(error, "req_1")["error"]["type"] == kind

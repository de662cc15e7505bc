"""Parameters of OpenAI's completions, chat and legacy, to members of Anthropic's body. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app.errors import InvalidRequest
from app.protocols.openai_models import LONGEST_USER_ID, Sampled

Harmless = Mapping[str, Callable[[Any], bool]]

_LONGEST_HARMLESS = 200

# For an answer of JSON without a schema, of which Anthropic knows nothing.
ONE_OBJECT = "Answer with one JSON object and nothing else: no words before or after it, and no code fence around it."

# Field -> does the value ask for nothing that Claude would have to do? Clients send such values as a matter of course.
HARMLESS: Harmless = {
    "frequency_penalty": lambda value: value == 0,
    "logit_bias": lambda value: not value,
    "presence_penalty": lambda value: value == 0,
}


def refuse_unsupported(request: msgspec.Struct, harmless: Harmless, inside: str = "") -> None:
    """`inside` tells what part of the body it is, e.g. "tools[2]."."""
    for field, asks_for_nothing in harmless.items():
        value = _folded_out(getattr(request, field))
        if value is not None and not asks_for_nothing(value):
            name = inside + field
            message = f"Unsupported parameter: {name!r} with this value is not supported by this gateway."
            raise InvalidRequest(message, param=name, code="unsupported_parameter")


def wants_usage(request: Sampled) -> bool:
    """Whether a stream is to end with the usage."""
    options = request.stream_options
    if options is not None and not request.stream:
        raise InvalidRequest(
            "stream_options goes with stream: true only.", param="stream_options", code="invalid_value"
        )
    return bool(options and options.include_usage)


def sampling(request: Sampled) -> dict[str, Any]:
    return {**randomness(request.temperature, request.top_p), "stop_sequences": _stop_sequences(request.stop)}


def randomness(temperature: float | None, top_p: float | None) -> dict[str, float | None]:
    """OpenAI's scale of temperatures ends at 2, Anthropic's at 1.

    Newer models refuse to have both set; many clients set both, one of them to 1, which changes nothing.
    """
    temperature = None if temperature is None else min(temperature, 1.0)
    if temperature is not None and top_p is not None:
        top_p = None if top_p == 1 else top_p
        temperature = None if temperature == 1 and top_p is not None else temperature
    return {"temperature": temperature, "top_p": top_p}


def without_none(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _folded_out(value: Any) -> Any:
    """No value that asks for nothing is long; a long one is refused as it is."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value) if len(value) < _LONGEST_HARMLESS else value
    return value


def _stop_sequences(stop: str | list[str] | None) -> list[str] | None:
    sequences = [stop] if isinstance(stop, str) else stop
    if any(not sequence.strip() for sequence in sequences or ()):
        message = "stop: a stop sequence must have a character that is not white space."
        raise InvalidRequest(message, param="stop", code="invalid_value")
    return sequences or None


def metadata(user: str | None, more: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """Anthropic's metadata has one member, `user_id`: an opaque text. What OpenAI's holds besides goes in as JSON.

    There is room for less than OpenAI allows: of its pairs, in their order, those go that still find some.
    """
    user_id = user
    fitting: dict[str, str] = {}
    for key, value in (more or {}).items():
        packed = _packed(user, {**fitting, key: value})
        if len(packed) <= LONGEST_USER_ID:
            user_id, fitting[key] = packed, value
    return {"user_id": user_id} if user_id else None


def _packed(user: str | None, more: Mapping[str, str]) -> str:
    return msgspec.json.encode({"user": user, "metadata": more} if user else {"metadata": more}).decode()

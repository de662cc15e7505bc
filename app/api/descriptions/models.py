"""GET /v1/models, GET /v1/models/{name}."""

from app.api.descriptions.common import OF_A_MODEL
from app.protocols.openai_shapes import Model, ModelList, OpenAIError
from app.web.describe import Answer, Group, Operation, Parameter

MODELS = Group(
    "Models",
    "Names and aliases that a request may ask for. A key may be limited to some of them.",
    OpenAIError,
    place=5,
)

_SONNET = {
    "id": "sonnet",
    "object": "model",
    "created": 0,
    "owned_by": "anthropic",
    "context_window": 200000,
}

LIST_MODELS = Operation(
    group=MODELS,
    summary="List the models",
    about="All names and aliases that the key may use.",
    answers={200: Answer("The models.", ModelList, example={"object": "list", "data": [_SONNET]})},
)
ONE_MODEL = Operation(
    group=MODELS,
    summary="Look one model up",
    parameters=(Parameter("name", "A name or an alias, such as `sonnet`.", place="path", example="sonnet"),),
    answers={200: Answer("The model.", Model, example=_SONNET)},
    errors=OF_A_MODEL,
)

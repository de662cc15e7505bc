"""What the real API refuses with 400, in its words. Each rule yields the problems that it sees; the first is told."""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.errors import ApiError
from sandbox.prompt import Body, blocks_of, thinks
from sandbox.rules_content import CONTENT_RULES
from sandbox.rules_shape import SHAPE_RULES
from sandbox.rules_tools import TOOL_RULES
from sandbox.tokens import count_prompt

Rule = Callable[[Body], Iterator[str]]

EFFORTS = ("low", "medium", "high", "xhigh", "max")
MAX_OUTPUT = 128_000
MAX_INPUT = 200_000
MAX_INPUT_LONG = 1_000_000
MAX_USER_ID = 256
MIN_THINKING = 1024
# The last ones that take temperature and top_p together.
BOTH_SAMPLINGS = (
    "claude-2",
    "claude-3",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-opus-4-0",
    "claude-opus-4-2",
)
CONSULT = "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def max_tokens(body: Body) -> Iterator[str]:
    given = body.get("max_tokens")
    if given is None:
        yield "max_tokens: Field required"
    elif type(given) is not int:
        yield "max_tokens: Input should be a valid integer"
    elif given < 1:
        yield "max_tokens: must be greater than or equal to 1"
    elif given > MAX_OUTPUT:
        model = body["model"]
        yield (f"max_tokens: {given} > {MAX_OUTPUT}, which is the maximum allowed number of output tokens for {model}")


def samplings(body: Body) -> Iterator[str]:
    for name in ("temperature", "top_p"):
        given = body.get(name)
        if given is not None and not is_number(given):
            yield f"{name}: Input should be a valid number"
        elif given is not None and not 0 <= given <= 1:
            yield f"{name}: range: 0..1"
    top_k = body.get("top_k")
    if top_k is not None and (type(top_k) is not int or top_k < 0):
        yield "top_k: Input should be greater than or equal to 0"


def both_samplings(body: Body) -> Iterator[str]:
    if body.get("temperature") is None or body.get("top_p") is None:
        return
    if not body["model"].startswith(BOTH_SAMPLINGS):
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def thinking_shape(body: Body) -> Iterator[str]:
    thinking = body.get("thinking")
    if thinking is None:
        return
    if thinking.get("type") not in ("enabled", "disabled", "adaptive"):
        yield "thinking: Input tag does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'"
    elif thinking["type"] == "enabled":
        yield from thinking_budget(thinking.get("budget_tokens"), body["max_tokens"])


def thinking_budget(budget: Any, limit: int) -> Iterator[str]:
    if budget is None:
        yield "thinking.enabled.budget_tokens: Field required"
    elif type(budget) is not int or budget < MIN_THINKING:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING}"
    elif budget >= limit:
        yield f"`max_tokens` must be greater than `thinking.budget_tokens`. {CONSULT}"


def thinking_company(body: Body) -> Iterator[str]:
    if not thinks(body):
        return
    if body.get("temperature") not in (None, 1):
        yield f"`temperature` may only be set to 1 when thinking is enabled or in adaptive mode. {CONSULT}"
    if body.get("top_p") is not None and body["top_p"] < 0.95:
        yield f"`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled. {CONSULT}"
    if body.get("top_k") is not None:
        yield f"`top_k` must be unset when thinking is enabled. {CONSULT}"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "Thinking may not be enabled when tool_choice forces tool use."


def stop_sequences(body: Body) -> Iterator[str]:
    given = body.get("stop_sequences")
    if given is None:
        return
    if not isinstance(given, list) or not all(isinstance(sequence, str) for sequence in given):
        yield "stop_sequences: Input should be a valid list of strings"
    elif not all(sequence.strip() for sequence in given):
        yield "stop_sequences: each stop sequence must contain non-whitespace"


def metadata(body: Body) -> Iterator[str]:
    given = body.get("metadata")
    if given is None:
        return
    for name in given:
        if name != "user_id":
            yield f"metadata.{name}: Extra inputs are not permitted"
    user = given.get("user_id")
    if user is not None and not isinstance(user, str):
        yield "metadata.user_id: Input should be a valid string"
    elif user and len(user) > MAX_USER_ID:
        yield f"metadata.user_id: String should have at most {MAX_USER_ID} characters"


def output_config(body: Body) -> Iterator[str]:
    given = body.get("output_config") or {}
    if given.get("effort") not in (None, *EFFORTS):
        yield "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'"
    format_ = given.get("format") or {}
    if not isinstance(format_, dict):
        yield "output_config.format: Input should be a valid dictionary"
    elif format_ and format_.get("type") != "json_schema":
        yield "output_config.format.type: Input should be 'json_schema'"
    elif format_ and not isinstance(format_.get("schema"), dict):
        yield "output_config.format.schema: Field required"
    elif format_:
        yield from closed_objects(format_["schema"])


def closed_objects(schema: Any) -> Iterator[str]:
    """Structured output takes only objects that name all of their properties."""
    if isinstance(schema, list):
        for item in schema:
            yield from closed_objects(item)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield ("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for item in schema.values():
        yield from closed_objects(item)


def cache_markers(body: Body) -> Iterator[str]:
    blocks = [*blocks_of(body.get("system")), *(body.get("tools") or [])]
    blocks += [block for message in body["messages"] for block in blocks_of(message.get("content"))]
    found = sum(bool(block.get("cache_control")) for block in blocks) + bool(body.get("cache_control"))
    if found > 4:
        yield f"A maximum of 4 blocks with cache_control may be provided. Found {found}."


COMMON_RULES: tuple[Rule, ...] = (*SHAPE_RULES, *CONTENT_RULES, *TOOL_RULES, cache_markers)
MESSAGE_RULES: tuple[Rule, ...] = (
    *SHAPE_RULES,
    max_tokens,
    samplings,
    both_samplings,
    thinking_shape,
    thinking_company,
    stop_sequences,
    metadata,
    output_config,
    *CONTENT_RULES,
    *TOOL_RULES,
    cache_markers,
)


def check_message(body: Body, is_long: bool = False) -> None:
    check(body, MESSAGE_RULES)
    limit = MAX_INPUT_LONG if is_long or "[1m]" in body["model"] else MAX_INPUT
    tokens = count_prompt(body)
    if tokens > limit:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {limit} maximum")


def check_count(body: Body) -> None:
    check(body, COMMON_RULES)


def check(body: Body, rules: tuple[Rule, ...]) -> None:
    for rule in rules:
        for problem in rule(body):
            raise ApiError(400, problem)
    if not body["model"].startswith("claude-"):
        raise ApiError(404, f"model: {body['model']}")

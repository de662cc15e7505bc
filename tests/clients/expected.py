"""What the scripts are to see, whatever the client."""

from typing import Any

WORDS = ["w0", " w1", " w2", " w3", " w4"]
WEATHER = ["get_weather", {"city": "Oslo"}]
TIME = ["get_time", {"zone": "Europe/Oslo"}]


def assert_thanked_for(answer: Any, *results: str) -> None:
    """The sandbox's answer to results of tools, and nothing in it beside these."""
    assert isinstance(answer, str), answer
    assert answer.startswith("Thank you, the tool answered:"), answer
    lines = [line[2:] for line in answer.splitlines() if line.startswith("- ")]
    assert sorted(lines) == sorted(results)


def assert_used_tools(seen: dict[str, Any], results: list[str], **rest: Any) -> None:
    """What a case saw on the way, and the answer to the results of its tools."""
    assert {name: value for name, value in seen.items() if name != "answer"} == rest
    assert_thanked_for(seen["answer"], *results)


def assert_saw_the_image(answer: Any) -> None:
    assert isinstance(answer, str), answer
    assert answer.startswith("I see an image (image/png, 70 bytes)."), answer


def assert_raised(seen: Any, kind: str) -> None:
    assert isinstance(seen, dict), seen
    assert kind in seen.get("raised", ()), seen

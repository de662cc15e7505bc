"""Whatever a client writes is text: it arrives upstream as it was sent, in one call, and does nothing on the way.

Each request is made to the real gateway over the real CLI, among traps (ground.py).
"""

import base64
import json
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

from tests.security.ground import Ground, Json, guarded, image, said, text, user

# Anthropic takes user ids of up to 256 characters.
LONGEST_USER_ID = 256
LONGEST_KEY = 64
SHORT = 2_000


def asked_alone(ground: Ground) -> list[str]:
    """Each takes a process of its own, so that these are some of each kind; test_driver.py has all of them alone."""
    texts = ground.traps.texts()
    long = [one for one in texts if len(one) >= SHORT]
    if ground.mode == "key":
        return texts[::16]
    return [*(texts[::3] if ground.version == "2.1.330" else texts[1::4]), *long]


def parameters(texts: Sequence[str], index: int) -> Json:
    """Members that go upstream beside the messages, each a hostile text as well."""
    stops = [texts[(index + n) % len(texts)] for n in range(1, 5)]
    one = texts[index]
    is_short = len(one) <= LONGEST_KEY and len(json.dumps({"metadata": {one: one}})) <= LONGEST_USER_ID
    if is_short and index % 2:
        return {"stop": stops, "metadata": {one: one}}
    return {"stop": stops, "user": one if len(one) <= LONGEST_USER_ID else "somebody"}


def arrived_beside(call: Json) -> Json:
    user_id = call["metadata"]["user_id"]
    beside = json.loads(user_id) if user_id.startswith('{"metadata":') else {"user": user_id}
    return {"stop": call["stop_sequences"], **beside}


def short(ground: Ground) -> list[str]:
    """Those of which many fit into one request."""
    return [one for one in ground.traps.texts() if len(one) < SHORT]


def file(name: str, content: str) -> Json:
    data = base64.b64encode(content.encode()).decode()
    return {"type": "file", "file": {"filename": name, "file_data": f"data:text/plain;base64,{data}"}}


def upstream(content: Sequence[Json]) -> list[Json]:
    """A message's parts as they must arrive: in Anthropic's words, the last text guarded if it needs it."""
    blocks = list(map(block, content))
    last = max((index for index, one in enumerate(blocks) if one["type"] == "text"), default=None)
    if last is not None:
        blocks[last] = text(guarded(blocks[last]["text"]))
    return blocks


def block(part: Json) -> Json:
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            source = {"type": "base64", "media_type": "image/png", "data": url.partition(",")[2]}
            return {"type": "image", "source": source}
        case {"type": "file", "file": {"filename": name, "file_data": url}}:
            content = base64.b64decode(url.partition(",")[2]).decode()
            source = {"type": "text", "media_type": "text/plain", "data": content}
            return {"type": "document", "source": source, "title": name}
    return part


def sorted_json(values: Iterable[Any]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def test_a_text_alone_arrives_as_it_was_sent(ground: Ground):  # threats 1, 2, 4
    texts = asked_alone(ground)
    beside = [parameters(texts, index) for index in range(len(texts))]
    calls = ground.received(*(user(one) | more for one, more in zip(texts, beside, strict=True)))
    expected = [[[("user", [text(guarded(one))])], more] for one, more in zip(texts, beside, strict=True)]
    assert sorted_json([[said(call), arrived_beside(call)] for call in calls]) == sorted_json(expected)


def test_every_text_arrives_from_every_place_of_a_history(ground: Ground):  # threats 1, 2, 4
    texts = short(ground)
    commands = ground.traps.texts("command")
    asked = [[text(one)] for one in texts] + [[text(one), image()] for one in commands]
    answered = [text(one) for one in (*texts, *commands)]
    messages = [
        {"role": role, "content": content}
        for question, answer in zip(asked, answered, strict=True)
        for role, content in (("user", question), ("assistant", [answer]))
    ]
    (call,) = ground.received({"messages": [*messages, {"role": "user", "content": "Go on."}]})
    turns = said(call)
    assert turns[0::2] == [("user", upstream(blocks)) for blocks in (*asked, [text("Go on.")])]
    assert turns[1::2] == [("assistant", [answer]) for answer in answered]


PLACES = {
    "the only part": lambda one: [one],
    "the first and the last part": lambda one: [one, text("Hello."), one],
    "before an image": lambda one: [one, image()],
    "after an image": lambda one: [image(), one],
    "between files": lambda one: [file("a.txt", "a"), one, file("b.txt", "b")],
}


def test_a_text_arrives_from_every_place_of_a_message(ground: Ground):  # threats 1, 2
    command, mention = text("/context"), text(ground.traps.render("@{canary}"))
    every = [text(one) for one in short(ground)]
    asked = [*(place(command) for place in PLACES.values()), PLACES["before an image"](mention), [*every, command]]
    calls = ground.received(*map(user, asked))
    assert sorted_json(map(said, calls)) == sorted_json([("user", upstream(content))] for content in asked)


def test_files_and_their_names_are_only_text(ground: Ground):  # threats 1, 2
    texts = short(ground)
    # 2.1.197 counts each file as thousands of tokens, and refuses too many.
    asked = [[*(file(one, one) for one in half), text("Read these.")] for half in (texts[::2], texts[1::2])]
    calls = ground.received(*map(user, asked))
    assert sorted_json(map(said, calls)) == sorted_json([("user", upstream(content))] for content in asked)


def test_a_system_prompt_is_only_text(ground: Ground):  # threats 1, 2
    texts = short(ground)
    roles = cycle(("system", "developer"))
    hello = {"role": "user", "content": "Hello."}
    prompts = [
        [{"role": role, "content": one} for one, role in zip(asked, roles, strict=False)]
        for asked in (texts, ["/context"])
    ]
    calls = ground.received(*({"messages": [*prompt, hello]} for prompt in prompts))
    command, several = sorted(calls, key=lambda call: len(str(call["system"])))
    assert said(several) == said(command) == [("user", [text("Hello.")])]
    arrived = "\n".join(block["text"] for block in several["system"])
    assert [one for one in texts if one not in arrived] == []
    assert "/context" in [block["text"] for block in command["system"]]


def test_no_text_is_a_model(ground: Ground):  # threats 3, 11
    ground.sandbox.clear()
    answers = ground.ask(*(user("Hello.") | {"model": one} for one in ("", *ground.traps.texts())))
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {(404, "model_not_found")}
    assert ground.sandbox.messages() == []
    ground.nothing_happened()


def test_half_a_character_is_refused(ground: Ground):  # threat 4
    ground.sandbox.clear()
    answers = ground.ask(user("\ud800/context"), user("\udfff"), user([text("a\ud800")]))
    assert {(answer.status_code, answer.json()["error"]["code"]) for answer in answers} == {(400, "invalid_json")}
    assert ground.sandbox.messages() == []

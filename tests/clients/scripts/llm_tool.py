"""The `llm` command-line tool, as installed, with a folder of its own."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from observing import PNG, TIME, WEATHER, WRONG_KEY, calling, observe, script

FOLDER = Path.home() / "llm"
MODEL = """\
- model_id: postern
  model_name: sonnet
  api_base: {url}
  api_key_name: postern
  supports_tools: true
  supports_schema: true
  vision: true
"""
FUNCTIONS = """
def get_weather(city: str) -> str:
    "Tells how warm it is in a city."
    return f"4 degrees in {city}"

def get_time(zone: str) -> str:
    "Tells the time of a zone."
    return f"noon in {zone}"
"""
ENVIRONMENT = {**os.environ, "LLM_USER_PATH": str(FOLDER)}


def llm(*arguments: str) -> str:
    done = subprocess.run(["llm", *arguments], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def ask(*arguments: str) -> str:
    return llm("prompt", "-m", "postern", *arguments).strip()


def prepare() -> None:
    FOLDER.mkdir()
    (FOLDER / "extra-openai-models.yaml").write_text(MODEL.format(url=os.environ["OPENAI_BASE_URL"]))
    llm("keys", "set", "postern", "--value", os.environ["OPENAI_API_KEY"])


def whole() -> str:
    return ask("--no-stream", "-s", "Be brief.", script(answer="Hello there."))


def streamed() -> Any:
    """What came when: the answer takes a second from its first word to its last."""
    arguments = ["llm", "prompt", "-m", "postern", script(words=5, delta_delay=0.25)]
    with subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.PIPE) as process:
        first = os.read(process.stdout.fileno(), 1000)
        begun = time.monotonic()
        rest = process.stdout.read()
    return {"text": (first + rest).decode().strip(), "early": time.monotonic() - begun > 0.5}


def continued() -> str:
    ask(script(answer="Seven."))
    return ask("-c", "And which number was it?")


def parallel_tools() -> str:
    return ask("--functions", FUNCTIONS, calling(WEATHER, TIME))


def parsed() -> Any:
    return json.loads(ask("--schema", "city, degrees int", "Where is it how warm?"))


def vision() -> str:
    picture = FOLDER / "dot.png"
    picture.write_bytes(PNG)
    return ask("-a", str(picture), "What is it?")


def wrong_key() -> str:
    return ask("--key", WRONG_KEY, "hi")


def bad_request() -> str:
    return ask("-o", "frequency_penalty", "1.5", "hi")


def broken_stream() -> str:
    return ask(script(words=6, error_after=3, delta_delay=0.05))


if __name__ == "__main__":
    prepare()
    observe(whole, streamed, continued, parallel_tools, parsed, vision, wrong_key, bad_request, broken_stream)

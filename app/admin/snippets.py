"""Ready to paste: how an application asks this gateway."""

from flask import request

_QUESTION = "What is a postern?"


def base_url() -> str:
    return request.url_root.rstrip("/") + "/v1"


def curl(key: str = "$POSTERN_KEY") -> str:
    return (
        f"curl -N {base_url()}/chat/completions \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "sonnet", "stream": true, "messages": [{{"role": "user", "content": "{_QUESTION}"}}]}}\''
    )


def snippets(key: str) -> list[dict[str, str]]:
    return [
        {"id": "curl", "name": "curl", "language": "bash", "text": curl(key)},
        {"id": "python", "name": "Python", "language": "python", "text": _python(key)},
        {"id": "javascript", "name": "JavaScript", "language": "javascript", "text": _javascript(key)},
        {"id": "langchain", "name": "LangChain", "language": "python", "text": _langchain(key)},
        {"id": "open-webui", "name": "Open WebUI", "language": "bash", "text": _open_webui(key)},
    ]


def _python(key: str) -> str:
    return f"""# pip install openai
from openai import OpenAI

client = OpenAI(base_url="{base_url()}", api_key="{key}")
question = [{{"role": "user", "content": "{_QUESTION}"}}]
for chunk in client.chat.completions.create(model="sonnet", messages=question, stream=True):
    print(chunk.choices[0].delta.content or "", end="", flush=True)"""


def _javascript(key: str) -> str:
    return f"""// npm install openai
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{base_url()}", apiKey: "{key}" }});
const stream = await client.chat.completions.create({{
  model: "sonnet",
  messages: [{{ role: "user", content: "{_QUESTION}" }}],
  stream: true,
}});
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");"""


def _langchain(key: str) -> str:
    return f"""# pip install langchain-openai
from langchain_openai import ChatOpenAI

model = ChatOpenAI(base_url="{base_url()}", api_key="{key}", model="sonnet")
for chunk in model.stream("{_QUESTION}"):
    print(chunk.content, end="", flush=True)"""


def _open_webui(key: str) -> str:
    return f"""# then open http://localhost:8080
docker run -d --network host \\
  -e OPENAI_API_BASE_URL={base_url()} \\
  -e OPENAI_API_KEY={key} \\
  ghcr.io/open-webui/open-webui:main"""

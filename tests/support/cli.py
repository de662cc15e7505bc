from pathlib import Path

from tests.support.sandbox import ROOT, Sandbox

VERSIONS = ("2.1.330", "2.1.197")
PLACES = {
    "2.1.330": "node_modules/@anthropic-ai/claude-code-linux-x64/claude",
    "2.1.197": "node_modules/claude-code-2.1.197/node_modules/@anthropic-ai/claude-code-linux-x64/claude",
}


def claude_binary(version: str = "2.1.330") -> Path:
    binary = ROOT / PLACES[version]
    if not binary.is_file():
        raise FileNotFoundError(f"The claude CLI {version} is missing: run `make setup`")
    return binary


def cli_environment(directory: Path, sandbox: Sandbox, *, login: bool = False) -> dict[str, str]:
    """All of the CLI's environment: nothing of the caller's gets in.

    With `login` the CLI goes through the proxy and needs an OAuth login in DIRECTORY/config; else an API key is set.
    """
    for name in ("home", "config", "work"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    environment = {
        "HOME": str(directory / "home"),
        "CLAUDE_CONFIG_DIR": str(directory / "config"),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    if login:
        return environment | {"HTTPS_PROXY": sandbox.proxy, "NODE_EXTRA_CA_CERTS": sandbox.ca}
    return environment | {"ANTHROPIC_BASE_URL": sandbox.api, "ANTHROPIC_API_KEY": "sk-ant-api03-sandbox"}

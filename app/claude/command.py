"""The command line and the environment of every `claude` process. Pure.

Nothing of a client's gets in here (threat 3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

# The operator's variables that reach the CLI; no other variable of the gateway's does (threat 8).
PASSED_THROUGH = frozenset(
    {
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "NODE_EXTRA_CA_CERTS",
        # Amazon Bedrock
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
        "ANTHROPIC_BEDROCK_BASE_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_CONFIG_FILE",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        # Google Vertex AI
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_SKIP_VERTEX_AUTH",
        "ANTHROPIC_VERTEX_BASE_URL",
        "ANTHROPIC_VERTEX_PROJECT_ID",
        "CLOUD_ML_REGION",
        "GOOGLE_APPLICATION_CREDENTIALS",
        # Microsoft Foundry
        "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
        "ANTHROPIC_FOUNDRY_API_KEY",
        "ANTHROPIC_FOUNDRY_BASE_URL",
        "ANTHROPIC_FOUNDRY_RESOURCE",
    }
)

# The MCP server that the gateway is to the CLI (app.claude.tools).
TOOL_SERVER = "client"

# Each line was seen to do what it says (docs/claude-cli.md).
HARDENING = {
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",  # stops "@/etc/passwd" from being read and sent upstream (threat 1)
    "CLAUDE_CODE_DISABLE_FILE_MENTIONS": "1",  # the same, known to 2.1.330 only
    "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",  # no memory files (threat 5)
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",  # else context edits and per-turn system messages are added
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",  # a stream that broke is not asked for again as a whole
    "CLAUDE_CODE_DISABLE_THINKING": "1",  # thinking is asked for per request, in the request's own body
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",  # a refusal is the answer; no second upstream call
    "CLAUDE_CODE_SKIP_PROMPT_HISTORY": "1",  # no prompt at rest (threat 10)
    "DISABLE_AUTOUPDATER": "1",  # the version is pinned (threat 25)
    "DISABLE_AUTO_COMPACT": "1",  # a history that is too long is an error, not a summary
    "DISABLE_COMPACT": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_AGENT_SDK_MCP_NO_PREFIX": "1",  # a client's tools have the names that the client gave them
    "MCP_TOOL_TIMEOUT": "86400000",  # ms; how long a call waits for its result is the gateway's to say
    # Milliseconds. Its runtime collects garbage one second after any work, for 150 ms of processor: a third of a start.
    "BUN_GC_TIMER_INTERVAL": "10000",
    "XDG_CACHE_HOME": "/dev/null",  # nowhere: the CLI would log the errors of a client's tools there (threat 10)
}


@dataclass(frozen=True)
class Installation:
    """Where the CLI is, and what its processes live in. `passed` holds the operator's own variables for it.

    `config_dir` is where `claude auth login` puts the login.
    """

    binary: Path
    config_dir: Path
    home: Path
    empty_dir: Path
    temp_dir: Path
    passed: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_config(self) -> Path:
        return self.home / "config"

    @property
    def bare(self) -> bool:
        """With an API key `--bare` works, and its request carries no date and no environment block (2.1.330)."""
        return "ANTHROPIC_API_KEY" in self.passed


def command_line(installation: Installation, model: str) -> list[str]:
    """`model` comes from config/models.toml, never from a request."""
    line = [
        str(installation.binary),
        "--print",
        "--input-format=stream-json",
        "--output-format=stream-json",
        "--verbose",
        "--include-partial-messages",
        f"--model={model}",
        "--tools=",
        "--strict-mcp-config",
        "--setting-sources=",
        "--no-session-persistence",
        "--disable-slash-commands",
        "--permission-mode=dontAsk",
        f"--allowedTools=mcp__{TOOL_SERVER}",  # a client's tools: their calls come to the gateway, and run nothing here
    ]
    return [*line, "--bare"] if installation.bare else line


def environment(installation: Installation) -> dict[str, str]:
    """The whole environment of a process: built, never inherited."""
    passed = {name: value for name, value in installation.passed.items() if name in PASSED_THROUGH}
    return (
        passed
        | HARDENING
        | {
            # The login is shared with whoever signs in; all else that the CLI reads and writes is the gateway's own,
            # so that nothing in the credential volume can configure a process (threat 6).
            "CLAUDE_CONFIG_DIR": str(installation.own_config),
            "CLAUDE_SECURESTORAGE_CONFIG_DIR": str(installation.config_dir),
            "HOME": str(installation.home),
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(installation.temp_dir),
        }
    )


# What the CLI needs to reach Anthropic when it signs in. No other login may be in its way.
_NETWORK = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"})


def sign_in_environment(installation: Installation) -> dict[str, str]:
    """For `claude auth ...` on a terminal. Where it keeps its files is up to the caller."""
    passed = {name: value for name, value in installation.passed.items() if name in _NETWORK}
    return environment(replace(installation, passed=passed)) | {
        "BROWSER": "/bin/true",  # else it tries to open one, on this machine
        "CLAUDE_CODE_FULL_SIGN_IN_LINK": "1",  # 2.1.330 leaves the state out of a short one
        "TERM": "xterm-256color",
    }

import pytest

# They assert for other modules.
pytest.register_assert_rewrite(
    "tests.api.asking",
    "tests.api.responding",
    "tests.claude.login_watch.house",
    "tests.protocols.chat",
    "tests.protocols.responses",
    "tests.protocols.responses_answers",
    "tests.sandbox.client",
    "tests.security.ground",
)

from tests.support.sandbox import running_sandbox  # noqa: E402  # after the line above


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--wizard-runs", type=int, default=12, help="sign-ins in a row, where a test does many")
    parser.addoption(
        "--requests", type=int, default=80, help="in all, where a test sends many (tests/api/test_stream.py)"
    )
    parser.addoption(
        "--conversations", type=int, default=2, help="for each CLI and login (tests/claude/test_continuity_cli.py)"
    )
    parser.addoption(
        "--rotation-requests", type=int, default=1000, help="requests during a rotation (tests/api/test_keys.py)"
    )


@pytest.fixture(scope="session")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(sandbox, tmp_path_factory):
    """The real gateway over the sandbox, shared: a test looks only at what it did itself."""
    from tests.support.gateway import running_gateway  # noqa: PLC0415  # only tests that ask for it need the CLI

    with running_gateway(sandbox, tmp_path_factory.mktemp("gateway")) as running:
        yield running

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.claude.login_link import Link, genuine, moved

CHALLENGE = "6_EIm4SOHO3IFlshkADECniqjAbzYum7iXfOjqfj5n8"
STATE = "ginEvu8LIsShZjeBAm4-s3bN5zNPrFFmU6cb6teuCZs"
QUERY = (
    "code=true&client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&response_type=code"
    "&redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback&scope=user%3Aprofile+user%3Ainference"
    f"&code_challenge={CHALLENGE}&code_challenge_method=S256&state={STATE}"
)
LINK = f"https://claude.com/cai/oauth/authorize?{QUERY}"
SHORT = f"https://claude.ai/oauth/authorize?z-{CHALLENGE}"


@pytest.mark.parametrize(
    "url",
    [
        LINK,
        f"https://platform.claude.com/oauth/authorize?{QUERY}",
        f"https://console.anthropic.com/oauth/authorize?{QUERY}",
        f"{LINK}&login_hint=me%40firm.example&login_method=sso",
    ],
)
def test_a_sign_in_page_of_anthropics_is_genuine_and_tells_its_state(url: str):  # threat 30
    assert genuine(url) == Link(url, STATE)


@pytest.mark.parametrize("url", [SHORT, f"{SHORT}&login_hint=me%40firm.example"])
def test_the_short_form_is_genuine_and_tells_no_state(url: str):  # threat 30
    assert genuine(url) == Link(url, "")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "https://claude.com",
        "https://claude.com/cai/oauth/authorize",
        "https://claude.com/cai/oauth/authorize?",
        "https://[claude.com/cai/oauth/authorize?" + QUERY,
        LINK.replace("https:", "http:"),
        LINK.replace("https:", "HTTPS:").replace("S256", "plain"),
        LINK.replace("claude.com/cai", "claude.com.evil.example/cai"),
        LINK.replace("claude.com/cai", "evil.example/cai"),
        LINK.replace("claude.com/cai", "xclaude.com/cai"),
        LINK.replace("claude.com/cai", "claude.com./cai"),
        LINK.replace("claude.com/cai", "claude.com:8443/cai"),
        LINK.replace("claude.com/cai", "claude.com@evil.example/cai"),
        LINK.replace("claude.com/cai", "evil@claude.com/cai"),
        LINK.replace("claude.com/cai", "claude.com\\@evil.example/cai"),
        LINK.replace("claude.com/cai", "claude.com%2eevil.example/cai"),
        LINK.replace("claude", "clаude"),  # noqa: RUF001  # a Cyrillic letter
        LINK.replace("/cai/oauth", "/cai/../../oauth"),
        LINK.replace("/cai/oauth/authorize", "/cai/oauth/authorize/../../evil"),
        LINK.replace("/cai/oauth/authorize", "/redirect"),
        LINK + "#fragment",
        LINK + "\u202e",
        LINK + "\n",
        LINK.replace("&state", " &state"),
        LINK.replace("S256", "plain"),
        LINK.replace("&code_challenge_method=S256", ""),
        LINK.replace(CHALLENGE, CHALLENGE[:-1]),
        LINK.replace(f"&code_challenge={CHALLENGE}", ""),
        LINK.replace(f"&state={STATE}", ""),
        LINK.replace(f"&state={STATE}", "&state="),
        LINK.replace(f"&state={STATE}", "&state=short"),
        LINK.replace(f"&state={STATE}", f"&state={STATE}&state=another-{STATE}"),
        LINK.replace("platform.claude.com", "evil.example"),
        LINK.replace("redirect_uri=https", "redirect_uri=http"),
        LINK.replace("%2F%2Fplatform", "%2F%2F[platform"),
        LINK.replace("&redirect_uri=https%3A%2F%2Fplatform.claude.com%2Foauth%2Fcode%2Fcallback", ""),
        LINK + "&a=" + "x" * 5000,
        LINK + "".join(f"&p{n}=1" for n in range(40)),
        SHORT[:-1] + "!",
        SHORT.replace(CHALLENGE, CHALLENGE[3:]),
        SHORT + "&redirect_uri=https%3A%2F%2Fevil.example",
        SHORT.replace("claude.ai", "evil.example"),
    ],
)
def test_no_other_link_is_genuine(url: str):  # threat 30
    assert genuine(url) is None


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=200) | st.builds(lambda a, b: f"https://{a}/cai/oauth/authorize?{b}", st.text(), st.text()))
def test_nothing_makes_it_fail(url: str):  # threat 30
    assert genuine(url) is None


def test_the_hosts_are_the_callers():
    assert genuine(LINK, {"claude.ai", "platform.claude.com"}) is None
    assert genuine(LINK, {"claude.com", "platform.claude.com"})


def test_a_moved_link_keeps_path_and_query():
    assert moved(Link(LINK, STATE), "http://127.0.0.1:8700/") == f"http://127.0.0.1:8700/cai/oauth/authorize?{QUERY}"

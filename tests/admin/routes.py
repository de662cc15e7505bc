"""Every route of the administrator's side, from the map of addresses itself."""

from dataclasses import dataclass

from flask import Flask

from app.admin import views
from app.web.policy import Policy, Who, policy_of

SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Route:
    endpoint: str
    method: str
    path: str
    policy: Policy
    socket: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def unsafe(self) -> bool:
        return self.method not in SAFE


def _all() -> list[Route]:
    app = Flask("map", static_folder=None)
    app.register_blueprint(views.blueprint)
    found = []
    for rule in app.url_map.iter_rules():
        policy = policy_of(app, rule.endpoint)
        assert policy is not None, rule
        path = rule.rule.replace("<key_id>", "0123456789").replace("<ticket>", "ticket")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append(Route(rule.endpoint.removeprefix("admin."), method, path, policy, rule.websocket))
    return found


ROUTES = _all()
OPEN = [route for route in ROUTES if route.policy.who is Who.ANYONE]
GUARDED = [route for route in ROUTES if route.policy.who is not Who.ANYONE and not route.socket]
UNSAFE = [route for route in ROUTES if route.unsafe]
CONFIRMED = [route for route in ROUTES if route.policy.who is Who.CONFIRMED]

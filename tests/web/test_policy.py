import pytest
from flask import Flask

from app.web.policy import Policy, Who, allow, demand_policies, policy_of


def application(*, declared: bool) -> Flask:
    app = Flask(__name__, static_folder=None)

    def view() -> str:
        return ""

    app.add_url_rule("/thing", view_func=allow(Who.ADMINISTRATOR, script=True)(view) if declared else view)
    return app


def test_a_route_that_does_not_say_who_may_call_it_stops_the_start():  # threat 46
    with pytest.raises(RuntimeError, match="view"):
        demand_policies(application(declared=False))


def test_a_declared_route_is_known_by_its_endpoint():
    app = application(declared=True)
    demand_policies(app)
    assert policy_of(app, "view") == Policy(Who.ADMINISTRATOR, script=True)
    assert policy_of(app, None) is None

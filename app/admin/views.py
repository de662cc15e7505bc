"""Importing this registers every route of the blueprint."""

from app.admin import api, errors, home, keys, live, set_up, sign_in, wizard
from app.admin.blueprint import blueprint

__all__ = ["api", "blueprint", "errors", "home", "keys", "live", "set_up", "sign_in", "wizard"]

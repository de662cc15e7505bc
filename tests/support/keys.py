"""The keys of a running gateway, from beside it: as the operator's shell has them."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.access.keys import Keys
from app.access.secret_key import load_secret_key
from app.store.database import Database
from tests.support.gateway import Gateway


@contextmanager
def keys_of(gateway: Gateway) -> Iterator[Keys]:
    database = Database(gateway.data_dir / "postern.sqlite")
    yield Keys(database, secret=load_secret_key("", gateway.data_dir))
    database.close()

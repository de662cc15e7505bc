"""Builds the objects, and starts what runs beside the requests."""

import logging
from collections.abc import Callable
from functools import partial

from app.access.administrators import Administrators
from app.access.audit import Audit
from app.access.first_run import FirstRun
from app.access.keys import Keys
from app.access.sessions import Sessions
from app.access.throttle import Throttle
from app.access.upkeep import Upkeep
from app.claude.lending import Limits
from app.claude.login import Login
from app.claude.login_watch import LoginWatch
from app.claude.pool import Pool
from app.claude.worker import Worker
from app.services import Services
from app.services.ground import Ground, limits, patience, prepare
from app.services.off_loop import OffLoop
from app.services.passwords import PasswordCheck
from app.services.responses import KeptResponses
from app.settings import Settings, web_address
from app.store.database import Database
from app.store.files import write_atomically

log = logging.getLogger(__name__)


def build(settings: Settings) -> Services:
    """Starts the first processes. Raises SettingsError, CliCrashed."""
    ground = prepare(settings)
    off_loop = OffLoop()
    watch = LoginWatch(ground.installation, ground.data_dir, write_atomically, off_loop=off_loop)
    keys = Keys(ground.database, secret=ground.secret_key)
    administrators = Administrators(ground.database)
    sessions = Sessions(ground.database, settings.session.idle, settings.session.absolute)
    responses = KeptResponses()
    bounds = limits(settings)
    running = Services(
        catalogue=ground.catalogue,
        installation=ground.installation,
        pool=_pool(settings, ground, bounds),
        patience=patience(settings),
        stream=settings.stream,
        write_timeout=settings.http.write_timeout,
        most_choices=bounds.most,
        test_model=settings.pool.models[0] if settings.pool.models else "default",
        watch=watch,
        login=Login(
            ground.installation,
            lambda: _answer(running),
            sign_in_base=settings.sign_in_base,
            put_back=lambda: _forget_refused(running),
        ),
        keys=keys,
        administrators=administrators,
        password_is_right=PasswordCheck(administrators.verify, partial(_stored_password, ground.database), off_loop),
        sessions=sessions,
        throttle=_throttle(sessions),
        first_run=FirstRun(ground.database),
        audit=Audit(ground.data_dir / "audit.jsonl", ground.database),
        secret_key=ground.secret_key,
        trusted_hosts=frozenset(host.lower() for host in settings.trusted_hosts),
        off_loop=off_loop,
        upkeep=Upkeep([keys.flush_uses, keys.close_expired, sessions.flush], off_loop, quick=[responses.forget_old]),
        responses=responses,
    )
    watch.start()
    running.upkeep.open()
    _warn_of_ignored_key(settings, keys)
    _offer_first_run(running, settings)
    return running


def _throttle(sessions: Sessions) -> Throttle:
    """Where the password was right before, the guesses of others keep nobody waiting."""
    throttle = Throttle()
    for session in sessions.list():
        throttle.succeeded(session.address)
    return throttle


def _stored_password(database: Database) -> list[tuple[str, ...]]:
    """Also the operator's shell may change it."""
    return [tuple(row) for row in database.read("SELECT password FROM administrators")]


def _pool(settings: Settings, ground: Ground, bounds: Limits) -> Pool[Worker]:
    start: Callable[[str], Worker] = partial(
        Worker, ground.installation, ground.version, exercise=settings.pool.exercise
    )
    pool = Pool(start, bounds)
    pool.open([ground.catalogue.find(model).cli for model in settings.pool.models])
    log.info("claude %s", ".".join(map(str, ground.version)))
    return pool


def _answer(running: Services) -> None:
    """The test question of a sign-in."""
    running.account()  # what was stored is noticed first: an answer counts for the login that is known by then
    running.ask()


def _forget_refused(running: Services) -> None:
    """The login from before a refused one is in force again."""
    running.pool.renew()  # a process that met the refused login may go on with it
    running.account()


def _warn_of_ignored_key(settings: Settings, keys: Keys) -> None:
    if settings.master_key and not keys.is_current_master(settings.master_key):
        log.warning(
            "GATEWAY_MASTER_KEY is not the current master key, and is ignored: it counts at the first start only. "
            "To change the key, rotate it: on the page of keys, or with python -m app.cli rotate"
        )


def _offer_first_run(running: Services, settings: Settings) -> None:
    if running.administrators.exists():
        return
    log.warning(
        "No administrator yet. Open this link once, within 30 minutes: %s/setup?token=%s",
        _public_url(settings),
        running.first_run.token(),
    )


def _public_url(settings: Settings) -> str:
    if settings.public_url:
        return web_address(settings.public_url, "public_url")
    host = "127.0.0.1" if settings.bind in ("0.0.0.0", "::", "") else settings.bind  # noqa: S104  # only compared
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"

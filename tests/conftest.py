"""Three people (Alice owns, Charlie must see nothing of hers, staff may look) and something to book."""

import gc
import inspect
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from zlib import crc32

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone
from hypothesis import HealthCheck, settings
from rest_framework.test import APIClient

from accounts.api_keys import create_key
from accounts.models import ApiKey, User
from accounts.sessions import open_session
from notifications.models import Notification
from payment import gateways
from payment.phonepe import client
from tests.harness import FAST, PROOFS, ROOT, builders
from tests.harness.databases import ON_POSTGRESQL, copy_migrated_database, delete_all_rows
from tests.harness.phonepe import PhonePe

admin.autodiscover()  # tests walk over its pages, which a process registers with its URLs

# The same examples at every run, and no clock: a busy machine must not decide whether a test passes.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=100 if PROOFS else 15,
)
# `HYPOTHESIS_PROFILE=deep` looks for what nobody has seen yet, for as long as it takes.
settings.register_profile(
    "deep", derandomize=False, deadline=None, suppress_health_check=list(HealthCheck), max_examples=500
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


# Sockets that break, pages that are drawn, rights, rates, input that is refused and threads that wait know little of
# the database behind them: `make test` plays them on SQLite only, `make proofs` on both.
ONCE = (
    *(f"integration/{name}" for name in ("access", "browser", "frontend", "input", "simulator", "wire")),
    *(f"integration/test_{name}" for name in ("access", "rates", "schema", "stale_tokens")),
    *(
        f"integration/flows/test_{name}"
        for name in ("bodies", "dev", "endpoints", "slow_connections", "waits")
    ),
    *(
        f"system/{name}"
        for name in ("festival", "races/test_deadly_rows", "races/test_faults", "test_dead_ends")
    ),
    *(f"system/properties/test_any{name}" for name in ("_order", "thing")),
    *("unit/core/test_middleware", "unit/core/test_pagination"),
    *(
        f"unit/diagnostics/{name}"
        for name in ("golive", "management", "test_page", "test_runner.py", "test_views")
    ),
)
# Half a minute each, with servers as in production.
ON_POSTGRESQL_ONLY = ("system/siege",)
# On PostgreSQL what races is played whole, and a third of the other tests: on both databases they pass the same code.
MONEY = ("unit/booking", "unit/notifications", "unit/payment", "unit/worker")
# `make test-fast` plays every third case of tests that have more, and leaves out the simulator and files that take
# three seconds and more.
MOST_CASES_IF_FAST = 3
LEFT_OUT_IF_FAST = (
    *("unit/simulator", "unit/accounts/test_login_guard", "unit/payment/test_single_outcome_path"),
    *(
        f"unit/payment/services/{name}"
        for name in ("refunds/test_approval", "test_app_orders", "test_dispute_balance")
    ),
    "unit/payment/views/test_frontend_2026",
)
RACING = {"at_once", "while_uncommitted", "ThreadPoolExecutor", "Thread"}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing that is collected is ever garbage: to look at all of it again and again takes a tenth of the time."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Of what is left to SQLite nothing needs to be loaded on PostgreSQL."""
    path = collection_path.relative_to(ROOT / "tests").as_posix()
    return True if ON_POSTGRESQL and not PROOFS and path.startswith(ONCE) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: not item.path.match("system/torture/*")
    )  # the longest: nobody waits for it at the end
    kept, left = [], []
    names_files = any(".py" in argument for argument in config.args)
    tests = [f"{item.path}::{getattr(item, 'originalname', item.name)}" for item in items]
    number_of_cases, cases = Counter(tests), Counter[str]()
    for item, test in zip(items, tests, strict=True):
        is_left = _is_left_to_sqlite(item, names_files) if ON_POSTGRESQL else _is_left_to_postgresql(item)
        is_repeated = number_of_cases[test] > MOST_CASES_IF_FAST and cases[test] % 3 != 0
        is_kept = _is_in_sample(item, cases[test]) and not is_left
        is_kept = is_kept and not (FAST and (is_repeated or _is_left_out_if_fast(item)))
        cases[test] += 1
        (kept if is_kept else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A file without a test for PostgreSQL is no failure of `make test ARGS=...`."""
    if ON_POSTGRESQL and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


def _is_in_sample(item: pytest.Item, number: int) -> bool:
    """`number` counts the cases of one test, from 0."""
    proof = item.get_closest_marker("proof")
    if PROOFS or proof is None:
        return True
    every = proof.kwargs.get("every")
    return every is not None and number % every == (every // 2 if ON_POSTGRESQL else 0)


def _is_left_out_if_fast(item: pytest.Item) -> bool:
    """Also races, of which SQLite lets only one person run."""
    return _races(item) or _path(item).startswith(LEFT_OUT_IF_FAST)


def _is_left_to_postgresql(item: pytest.Item) -> bool:
    return not PROOFS and _path(item).startswith(ON_POSTGRESQL_ONLY)


def _is_left_to_sqlite(item: pytest.Item, names_files: bool) -> bool:
    """What would be no different on PostgreSQL, and two thirds of the unit tests that would hardly be, unless the
    command names files.
    """
    path = _path(item)
    if path.startswith(ONCE):
        return not PROOFS
    if not path.startswith("unit/") or item.get_closest_marker("postgresql"):
        return False
    commits = _commits(item)
    uses_database = (
        commits or "db" in getattr(item, "fixturenames", ()) or item.get_closest_marker("django_db")
    )
    if PROOFS or not uses_database:
        return not uses_database
    if not commits and not path.startswith(MONEY):
        return True
    return not names_files and not _races(item) and crc32(item.nodeid.encode()) % 3 != 0


def _path(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT / "tests").as_posix()


def _commits(item: pytest.Item) -> bool:
    """Whether it has real transactions; the others are rolled back."""
    marker = item.get_closest_marker("django_db")
    is_marked = marker is not None and marker.kwargs.get("transaction", False)
    return is_marked or bool({"transactional_db", "live_server"} & set(getattr(item, "fixturenames", ())))


def _races(item: pytest.Item) -> bool:
    """Whether several people act at the same moment in it, each on a connection of their own."""
    return not RACING.isdisjoint(_names(inspect.unwrap(item.function).__code__))


def _names(code: CodeType) -> set[str]:
    inner = [_names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return {*code.co_names, *code.co_freevars}.union(*inner)


@pytest.fixture(scope="session", autouse=True)
def fast_flush():
    """After a test with real transactions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: delete_all_rows())
        yield


@pytest.fixture(autouse=True)
def cheap_settings(settings):
    """A real hash takes a tenth of a second, and each new test client would list all static files of the packages."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # looks a file up when it is asked for


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Each test begins like a process that has just started: no token, no open circuit. And nobody sleeps."""
    gateways._gateway.cache_clear()
    cache.clear()
    monkeypatch.setattr(client, "BACKOFF_BASE_SECONDS", 0)


@pytest.fixture(scope="session")
def django_db_keepdb():
    """pytest-django must not make a database: it is a copy of one that was migrated before, and ends with the run."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Called once in each worker, before its database is opened."""
    copy_migrated_database(connection.creation._get_test_db_name())


@pytest.fixture(autouse=True)
def no_work_fails(request, caplog):
    """The worker catches the bug of a row and goes on; a test must not."""
    yield
    if request.node.get_closest_marker("work_fails") is None:
        failed = [record for record in caplog.get_records("call") if record.message == "work failed"]
        assert failed == [], failed[0].exc_text


@pytest.fixture
def alice(db):
    user = builders.make_user(
        "alice@example.com",
        first_name="Alice",
        last_name="Devi",
        phone="9876500001",
        email_confirmed_at=timezone.now(),
    )
    builders.make_address(user)
    return user


@pytest.fixture
def charlie(db):
    return builders.make_user("charlie@example.com", first_name="Charlie")


@pytest.fixture
def staff(db):
    return User.objects.create_superuser("staff@example.com", builders.PASSWORD)


@pytest.fixture
def alerts(settings):
    """Staff have an address, without which nobody is ever alerted: `alerts()` is the rules they were told, in order."""
    settings.STAFF_EMAILS = ["ops@example.com"]
    told = Notification.objects.filter(kind="alert").order_by("pk")
    return lambda: list(told.values_list("facts__rule", flat=True))


@pytest.fixture
def api():
    """`api(user)` is a client with that person's access token, `api()` one without."""

    def client(user: User | None = None) -> APIClient:
        client = APIClient()
        if user is not None:
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user).access}")
        return client

    return client


@pytest.fixture
def server(db):
    """`server("bookings:read")` is a client with a new API key of these scopes; without any, of all scopes."""

    def client(*scopes: str) -> APIClient:
        client = APIClient()
        _key, raw = create_key("a server", scopes or ApiKey.Scope.values)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {raw}")
        return client

    return client


@pytest.fixture
def service(db):
    """Sold by slots once `slot` is asked for too."""
    return builders.make_service("Griha Pravesh")


@pytest.fixture
def package(service):
    return builders.make_package(service)


@pytest.fixture
def slot(service):
    return builders.make_slot(service)


@pytest.fixture
def slotless_service(db):
    service = builders.make_service("Online Jaap", type="ONLINE")
    builders.make_package(service, location="Online")
    return service


@pytest.fixture
def phonepe(db):
    """One line gives a test a scripted PhonePe."""
    return PhonePe()


@pytest.fixture
def cart(alice, package, slot):
    """₹1100 for a place in a slot."""
    return builders.make_cart(alice, package, slot.starts_at)


@pytest.fixture(params=["v1", "v2"])
def generation(request, settings):
    """Both of PhonePe's protocols, one after the other."""
    settings.PHONEPE_API_VERSION = request.param
    return request.param

"""Three people (Alice owns, Charlie must see nothing of hers, staff may look) and something to book."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django import conf
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
from payment.services.gateway_calls import call_permits
from tests.harness import PROOFS, ROOT, builders
from tests.harness.databases import ON_POSTGRESQL, copy_migrated_database, delete_all_rows
from tests.harness.phonepe import PhonePe
from tests.harness.samples import COLLECTED, Selection, count, split

admin.autodiscover()  # tests walk over its pages, which a process registers with its URLs

# The same examples at every run, and no clock: a busy machine must not decide whether a test passes.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=100 if PROOFS else 6,
)
# `HYPOTHESIS_PROFILE=deep` looks for what nobody has seen yet, for as long as it takes.
settings.register_profile(
    "deep", derandomize=False, deadline=None, suppress_health_check=list(HealthCheck), max_examples=500
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Nothing that is collected is ever garbage: to look at all of it again and again takes a tenth of the time."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--samples", action="store_true", help="count what make test and make proofs play")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    path = collection_path.relative_to(ROOT / "tests").as_posix()
    return None if Selection().loads(path) else True


@pytest.hookimpl(trylast=True)  # after -k and -m: what they leave nothing of is left to no other database
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--samples"):
        print(*count(items), sep="\n")  # noqa: T201
        items.clear()
    items.sort(
        key=lambda item: not item.path.match("system/torture/*")
    )  # the longest: nobody waits for it at the end
    config.stash[COLLECTED] = [*items]
    items[:], left = split(Selection(names_files=any(".py" in each for each in config.args)), items)
    config.hook.pytest_deselected(items=left)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A file without a test for one database is no failure of `make test ARGS=...`, unlike a misspelt -k."""
    is_left = ON_POSTGRESQL or session.config.stash.get(COLLECTED, [])
    if is_left and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session", autouse=True)
def fast_flush():
    """After a test with real transactions. On SQLite, which has no pool, the connection stays open: a new one takes
    longer than many a test.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: delete_all_rows())
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda case: ON_POSTGRESQL)
        yield


@pytest.fixture(autouse=True)
def cheap_settings(settings):
    """A real hash takes a tenth of a second, and each new test client would list all static files of the packages."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.WHITENOISE_AUTOREFRESH = True  # looks a file up when it is asked for


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Each test begins like a process that has just started: no token, no open circuit, and the number of calls of a
    server, which a worker raises for its process. And nobody sleeps.
    """
    gateways._gateway.cache_clear()
    cache.clear()
    monkeypatch.setattr(call_permits, "count", conf.settings.PHONEPE_CALLS_AT_ONCE)
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

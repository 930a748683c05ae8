import sqlite3
import threading
import time
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from diagnostics import dependencies
from diagnostics.deadlines import begin, result
from diagnostics.dependencies import database_fault
from diagnostics.enums import Verdict
from diagnostics.evidence import Evidence
from diagnostics.verdicts import conclude
from diagnostics.webhook_check import check_webhook_silence
from payment.models import DiagnosisRun, PaymentAttempt, WebhookEvent
from payment.phonepe.transport import Deadline
from payment.states import AttemptState
from tests.harness.network import refusing_port, scripted_port
from tests.unit.payment.builders import make_payment

pytestmark = [pytest.mark.django_db, pytest.mark.sockets]


class DeafCache(BaseCache):
    """Takes everything, keeps nothing."""

    def __init__(self, *_):
        super().__init__({})

    def get(self, key, default=None, version=None):
        return default

    def set(self, *_, **__):
        pass

    def delete(self, *_, **__):
        return False


def rename(app, other):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET app = %s WHERE app = %s", [other, app])


def test_a_database_with_every_table_passes():
    check = dependencies.run_timed(dependencies.check_database)
    assert (check.ok, check.fault) == (True, "")
    assert check.target


@pytest.mark.django_db(transaction=True)
def test_unapplied_migrations_are_counted():
    rename("payment", "renamed")
    check = dependencies.check_database()
    rename("renamed", "payment")
    assert (check.ok, check.fault) == (False, "migrations")


@pytest.mark.django_db(transaction=True)
def test_a_write_proves_that_the_database_takes_writes():
    check = dependencies.check_database_writes()
    assert check.ok is True
    assert "takes writes" in check.detail


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_differs_from_one_that_is_down(monkeypatch):
    options = dict(connection.settings_dict["OPTIONS"])
    if connection.vendor == "sqlite":
        options["init_command"] = "PRAGMA query_only=ON;"
    else:
        options["options"] += " -c default_transaction_read_only=on"
    readonly = connections.settings["default"] | {
        "NAME": connection.settings_dict["NAME"],
        "OPTIONS": options,
    }
    monkeypatch.setitem(connections.settings, "default", readonly)
    check = result(begin(dependencies.check_database_writes, Deadline(5)), Deadline(5))
    assert (check.ok, check.fault) == (False, "readonly")


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_outlasts_the_patience_of_payments_is_a_fault_with_its_holder(monkeypatch):
    if connection.vendor == "sqlite":
        monkeypatch.setattr(dependencies, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(dependencies, "LOCK_SECONDS", 0.3)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            connection.cursor().execute("LOCK TABLE payment_paymentattempt IN SHARE MODE")
        check = result(begin(dependencies.check_database_writes, Deadline(5)), Deadline(5))
    assert (check.ok, check.fault) == (False, "locked")
    assert "locked" in check.detail


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_ends_soon_is_no_fault(monkeypatch):
    """Writers of SQLite wait for each other all the time; a migration locks a table for a moment."""
    ended = threading.Event()

    def hold_for_a_moment():
        with transaction.atomic():
            if connection.vendor == "postgresql":
                connection.cursor().execute("LOCK TABLE payment_paymentattempt IN SHARE MODE")
            ended.wait(0.5)

    holder = begin(hold_for_a_moment, Deadline(5))
    time.sleep(0.1)
    check = result(begin(dependencies.check_database_writes, Deadline(8)), Deadline(8))
    result(holder, Deadline(5))
    assert (check.ok, check.fault) == (True, "")


def test_a_pool_does_not_hide_the_error_of_the_database(monkeypatch):
    port = refusing_port()
    engine = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port, "NAME": "shop"}
    pooled = engine | {"OPTIONS": {"pool": {"min_size": 0, "timeout": 5}}}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | pooled)
    check = result(begin(dependencies.check_database, Deadline(3)), Deadline(3))
    assert check.fault == "down"
    assert f"port {port}" in check.detail
    assert "refused" in check.detail


def test_the_database_is_named_without_user_and_password(monkeypatch):
    target = {"HOST": "db.internal", "PORT": 5433, "USER": "okpuja", "PASSWORD": "pass-word", "NAME": "shop"}
    engine = {"ENGINE": "django.db.backends.postgresql"}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | engine | target)
    assert result(begin(dependencies.database_target, Deadline(5)), Deadline(5)) == "db.internal:5433"


def test_a_cache_that_keeps_values_passes():
    assert dependencies.check_cache().ok is True


def test_a_cache_that_loses_values_is_down(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.DeafCache"}}
    assert dependencies.check_cache().fault == "down"


@pytest.mark.django_db(transaction=True)
def test_a_missing_cache_table_is_down(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "never_made"}
    }
    check = dependencies.check_cache()
    assert check.fault == "down"
    assert "never_made" in check.detail
    assert caches["default"]


def test_errors_of_drivers_are_reported_without_secrets(settings):
    settings.PHONEPE_SALT_KEY = "a-salt-key-that-nobody-may-see"
    error = OperationalError("no access for a-salt-key-that-nobody-may-see\nand a second line")
    assert dependencies.describe_error(error) == "OperationalError: no access for [secret]"


@pytest.fixture
def mail_server(settings):
    settings.EMAIL_BACKEND = dependencies.SMTP
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return settings


def test_a_mail_server_that_greets_passes(mail_server):
    with scripted_port(b"220 mail ready\r\n", b"250 mail\r\n", b"221 bye\r\n") as port:
        mail_server.EMAIL_PORT = port
        check = dependencies.check_mail()
    assert (check.ok, check.target) == (True, f"127.0.0.1:{port}")
    assert "250" in check.detail


def login_at(mail_server, *answers):
    mail_server.EMAIL_HOST_USER, mail_server.EMAIL_HOST_PASSWORD = "okpuja", "the-mail-password"
    with scripted_port(
        b"220 mail ready\r\n", b"250-mail\r\n250 AUTH PLAIN\r\n", *answers, b"221 bye\r\n"
    ) as port:
        mail_server.EMAIL_PORT = port
        return dependencies.check_mail()


def test_a_mail_server_that_takes_our_login_passes(mail_server):
    check = login_at(mail_server, b"235 welcome\r\n")
    assert (check.ok, check.fault) == (True, "")
    assert "takes our login" in check.detail


@pytest.mark.parametrize(
    "said", [b"535 5.7.8 not accepted\r\n", b"534 5.7.9 application password required\r\n"]
)
def test_a_mail_server_that_refuses_our_login_is_down(mail_server, said):
    check = login_at(mail_server, said)
    assert (check.ok, check.fault, check.cause) == (False, "down", "login")
    assert said.decode()[:3] in check.detail
    assert "the-mail-password" not in check.detail
    [concluded] = conclude(Evidence(dependencies={"mail": check}))
    assert concluded.verdict is Verdict.MAIL_DOWN
    assert "user and password in EMAIL_URL" in concluded.next_action


def test_a_mail_server_that_refuses_is_named_with_its_address(mail_server):
    mail_server.EMAIL_PORT = refusing_port()
    check = dependencies.check_mail()
    assert (check.ok, check.fault, check.target) == (False, "down", f"127.0.0.1:{mail_server.EMAIL_PORT}")
    assert "refused" in check.detail


def test_a_mail_server_that_rejects_us_is_down(mail_server):
    with scripted_port(b"554 no service for you\r\n") as port:
        mail_server.EMAIL_PORT = port
        check = dependencies.check_mail()
    assert (check.ok, check.fault) == (False, "down")
    assert "no service for you" in check.detail


def test_a_mail_server_without_starttls_is_down_where_mails_need_it(mail_server):
    mail_server.EMAIL_USE_TLS = True
    with scripted_port(b"220 mail ready\r\n", b"250 mail\r\n", b"221 bye\r\n") as port:
        mail_server.EMAIL_PORT = port
        assert dependencies.check_mail().fault == "down"


def test_without_a_mail_server_there_is_nothing_to_reach(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert dependencies.check_mail().ok is True


def test_an_absent_broker_is_no_fault(settings):
    settings.BROKER_URL = ""
    assert dependencies.check_broker() is None


def test_a_broker_that_accepts_connections_passes(settings):
    with scripted_port() as port:
        settings.BROKER_URL = f"redis://127.0.0.1:{port}/0"
        assert dependencies.check_broker().ok is True


def test_a_broker_that_refuses_is_named_with_its_address_and_without_its_login(settings):
    port = refusing_port()
    settings.BROKER_URL = f"amqp://okpuja:the-broker-password@127.0.0.1:{port}//"
    check = dependencies.check_broker()
    assert (check.ok, check.fault, check.target) == (False, "down", f"127.0.0.1:{port}")
    assert "Connection refused" in check.detail
    assert "the-broker-password" not in repr(check)


def test_an_invalid_broker_url_is_reported(settings):
    settings.BROKER_URL = "amqp://broker:port"
    assert dependencies.check_broker().fault == "down"


def test_of_a_cluster_one_broker_is_enough(settings):
    with scripted_port() as port:
        settings.BROKER_URL = f"amqp://127.0.0.1:{refusing_port()};amqp://127.0.0.1:{port}"
        assert dependencies.check_broker().ok is True
    first, second = refusing_port(), refusing_port()
    settings.BROKER_URL = f"amqp://127.0.0.1:{first};amqp://127.0.0.1:{second}"
    assert dependencies.check_broker().target == f"127.0.0.1:{first}, 127.0.0.1:{second}"
    assert dependencies.check_broker().fault == "down"


@pytest.mark.parametrize("url", ["memory://", "filesystem://", "sqs://key:secret@"])
def test_a_broker_without_an_address_of_its_own_is_not_checked(settings, url):
    settings.BROKER_URL = url
    assert dependencies.check_broker().ok is None
    assert "secret" not in repr(dependencies.check_broker())


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"530 5.7.0 Must issue a STARTTLS command first\r\n", "encryption"),
        (b"454 4.7.0 Temporary authentication failure\r\n", ""),
        (b"535 5.7.139 basic authentication is disabled\r\n", "login"),
    ],
)
def test_a_refused_login_is_told_by_what_cures_it(mail_server, said, cause):
    assert login_at(mail_server, said).cause == cause


def test_free_disk_space_is_checked():
    assert dependencies.check_disk().ok is True
    check = dependencies.check_disk(min_free=1 << 62)
    assert (check.ok, check.fault) == (False, "full")
    assert "MiB" in check.detail


def due(seconds):
    payment = make_payment()
    moment = timezone.now() - timedelta(seconds=seconds)
    PaymentAttempt.objects.filter(payment=payment).update(next_check_at=moment)


def test_a_worker_without_work_may_be_idle():
    check = dependencies.check_worker()
    assert check.ok is True
    assert "idle" in check.detail


def test_a_row_due_for_seconds_is_no_fault():
    due(20)
    assert dependencies.check_worker().ok is True


def test_a_row_overdue_for_minutes_means_that_no_worker_runs():
    due(200)
    check = dependencies.check_worker()
    assert (check.ok, check.fault) == (False, "down")
    assert "200 s" in check.detail or "201 s" in check.detail


def seen(minutes):
    moment = timezone.now() - timedelta(minutes=minutes)
    DiagnosisRun.objects.create(asked_by=DiagnosisRun.AskedBy.WORKER, started_at=moment)


def paid(number, announced=False, **told):
    for _ in range(number):
        payment = make_payment()
        told = {"simulated": False, "decided_at": timezone.now() - timedelta(minutes=10)} | told
        attempt = payment.attempts.get()
        PaymentAttempt.objects.filter(pk=attempt.pk).update(
            state=AttemptState.COMPLETED, received_paise=attempt.amount_paise, **told
        )
        if announced:
            WebhookEvent.objects.create(
                digest=f"{attempt.pk}",
                scheme="hmac",
                body=b"{}",
                claimed_state="COMPLETED",
                attempt=attempt,
            )


def test_a_worker_with_a_recent_diagnosis_is_alive(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    seen(minutes=6)
    assert dependencies.check_worker().ok is True


def test_a_worker_without_a_recent_diagnosis_is_down(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    seen(minutes=20)
    check = dependencies.check_worker()
    assert (check.ok, check.fault) == (False, "down")
    assert "last seen" in check.detail


def test_a_worker_that_was_never_seen_is_told_and_is_no_fault(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    check = dependencies.check_worker()
    assert (check.ok, check.fault) == (True, "never_seen")
    assert "manage.py work" in check.detail
    seen(minutes=1)
    assert dependencies.check_worker().fault == ""


def test_a_check_that_did_not_return_keeps_the_name_of_what_was_late(settings):
    """Of a late hop its address is the first thing to know."""
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = dependencies.SMTP, "mail.internal", 587
    settings.BROKER_URL = "amqp://okpuja:the-broker-password@broker.internal//"
    settings.PUBLIC_BASE_URL = "https://shop.example"
    targets = {name: dependencies.timeout_result(name).target for name in dependencies.TARGETS}
    assert targets["mail"] == "mail.internal:587"
    assert targets["broker"] == "broker.internal:5672"
    assert targets["webhook"] == "shop.example:443"
    assert targets["database"] == dependencies.database_target()
    assert "mail" not in targets.values()


@pytest.mark.parametrize(
    ("backend", "fault"), [("db.DatabaseCache", "database"), ("locmem.LocMemCache", "down")]
)
def test_a_cache_in_the_database_that_hangs_is_the_databases_fault(settings, backend, fault):
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}", "LOCATION": "cache"}}
    late = dependencies.timeout_result("cache")
    assert (late.ok, late.fault) == (False, fault)
    [concluded] = conclude(Evidence(dependencies={"cache": late}))
    is_database = concluded.verdict is Verdict.DATABASE_DOWN
    assert is_database == (fault == "database")
    assert "Payments go on" not in concluded.next_action or not is_database


REFUSALS = {
    'connection failed: FATAL:  sorry, too many clients already': "connections",
    'FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute': "connections",
    'FATAL:  too many connections for role "shop"': "connections",
    'FATAL:  password authentication failed for user "shop"': "login",
    'FATAL:  no pg_hba.conf entry for host "10.0.0.5", user "shop", database "shop", no encryption': "login",
    'FATAL:  database "shop" does not exist': "login",
    'FATAL:  the database system is starting up': "starting",
    'FATAL:  the database system is not yet accepting connections': "starting",
    'FATAL:  could not write init file: No space left on device': "full",
    'connection to server at "10.0.0.9", port 5432 failed: Connection refused': "down",
}  # fmt: skip


@pytest.mark.parametrize("said", REFUSALS)
def test_what_postgresql_refuses_is_told_apart(said):
    assert database_fault(OperationalError(said)) == REFUSALS[said]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("SQLITE_READONLY_DBMOVED", "readonly"),
        ("SQLITE_FULL", "full"),
        ("SQLITE_CORRUPT", "damaged"),
        ("SQLITE_NOTADB", "damaged"),
        ("SQLITE_CANTOPEN", "down"),
    ],
)
def test_what_sqlite_refuses_is_told_apart(name, fault):
    cause = sqlite3.OperationalError("any text")
    cause.sqlite_errorname = name
    error = OperationalError("any text")
    error.__cause__ = cause
    assert database_fault(error) == fault


def test_a_worker_that_makes_no_diagnoses_is_not_down(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 0
    seen(minutes=600)
    assert dependencies.check_worker().ok is True


def test_payments_all_found_by_status_requests_mean_missing_webhooks():
    paid(5)
    check = check_webhook_silence()
    assert (check.ok, check.fault) == (False, "silent")


def test_one_webhook_proves_that_webhooks_arrive():
    paid(5)
    paid(1, announced=True)
    assert check_webhook_silence().ok is True


def test_too_few_payments_prove_nothing_about_webhooks():
    paid(4)
    assert check_webhook_silence().ok is None


def test_simulated_and_very_recent_payments_prove_nothing_about_webhooks():
    paid(5, simulated=True)
    paid(5, decided_at=timezone.now())
    assert check_webhook_silence().ok is None

import json
from datetime import timedelta

import pytest
from django.db import DatabaseError, connections
from django.utils import timezone

from diagnostics import history
from diagnostics.config import hidden_fingerprints
from diagnostics.history import Change, PastRuns, changes_since_ok, load_past_runs, save_run
from diagnostics.runner import diagnose
from payment.models import DiagnosisRun, GatewayCall
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port
from tests.unit.diagnostics.reports import report_json
from tests.unit.payment.builders import make_payment

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = {
    "success": True,
    "verdict": "ok",
    "culprit": "none",
    "summary": "PhonePe is reached and accepts our credentials.",
    "took_ms": 12,
    "history": ["not kept again"],
}


def kept(number=1, **told):
    for _ in range(number):
        run = DiagnosisRun(asked_by="web", started_at=timezone.now())
        save_run(run, ANSWER | told, {"build": {"": "abc"}})


def test_a_run_is_saved_with_its_report_but_without_earlier_runs():
    kept()
    run = DiagnosisRun.objects.get()
    assert (run.verdict, run.asked_by, run.success) == ("ok", "web", True)
    assert "history" not in run.answer


def test_the_oldest_runs_are_deleted(monkeypatch):
    monkeypatch.setattr(history, "RUNS_KEPT", 3)
    kept(5)
    assert DiagnosisRun.objects.count() == 3


def test_the_last_runs_are_listed_newest_first():
    kept(1, verdict="dns_failure", success=False)
    kept(1)
    assert [line.verdict for line in load_past_runs().runs] == ["ok", "dns_failure"]


def test_an_unfinished_run_is_not_listed():
    DiagnosisRun.objects.create(asked_by="worker", started_at=timezone.now())
    assert load_past_runs().runs == ()


def test_changes_are_listed_with_old_and_new_value():
    past = PastRuns(
        timezone.now() - timedelta(hours=1),
        {
            "dns answer": {"api.phonepe.com": ["192.0.2.1"], "gone.example": ["192.0.2.9"]},
            "setting": {"client_id": "CL…JA", "deadline_seconds": "20"},
            "build": {"": "aaaaaaaaaaaa"},
        },
    )
    now = {
        "dns answer": {"api.phonepe.com": ["10.0.0.1"]},
        "setting": {"client_id": "CL…JB", "deadline_seconds": "20"},
        "build": {"": "bbbbbbbbbbbb"},
    }
    assert changes_since_ok(past, now).changes == [
        Change("dns answer api.phonepe.com", "192.0.2.1", "10.0.0.1"),
        Change("setting client_id", "CL…JA", "CL…JB"),
        Change("build", "aaaaaaaaaaaa", "bbbbbbbbbbbb"),
    ]


def test_addresses_that_rotate_have_not_changed():
    past = PastRuns(timezone.now(), {"dns answer": {"api.phonepe.com": ["192.0.2.1", "192.0.2.2"]}})
    assert (
        changes_since_ok(past, {"dns answer": {"api.phonepe.com": ["192.0.2.2", "192.0.2.3"]}}).changes == []
    )


def test_without_a_good_run_nothing_is_compared():
    assert changes_since_ok(PastRuns(), {"build": {"": "a"}}) is None


@pytest.mark.sockets
def test_a_fault_is_reported_with_the_changes_since_the_last_good_run(real_v1, control):
    with FakePhonePe() as phonepe:
        real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe.port}/apis/pg-sandbox"
        assert diagnose().changed_since_last_ok is None
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"
    answer = diagnose().as_json()
    changes = {change["what"] for change in answer["changed_since_last_ok"]["changes"]}
    assert changes == {"setting endpoints", "setting fingerprint"}
    assert [line["verdict"] for line in answer["history"]] == ["ok"]


@pytest.mark.sockets
def test_a_changed_secret_is_reported_by_name_only(real_v1, control, phonepe_server):
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe_server.port}/apis/pg-sandbox"
    assert diagnose().success
    real_v1.PHONEPE_SALT_KEY = "another-salt-key-nobody-may-see"
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"
    told = {change["what"]: change for change in diagnose().as_json()["changed_since_last_ok"]["changes"]}

    assert {"hidden setting PHONEPE_SALT_KEY", "setting fingerprint"} <= told.keys()
    assert "hidden setting PHONEPE_CLIENT_SECRET" not in told
    assert "nobody-may-see" not in json.dumps(told)


def test_the_fingerprint_of_a_secret_is_useless_without_secret_key(settings):
    settings.PHONEPE_SALT_KEY = "a-salt-key-nobody-may-see"
    ours = hidden_fingerprints()["PHONEPE_SALT_KEY"]
    settings.SECRET_KEY = "the key of somebody else, who tries salts one by one"
    assert hidden_fingerprints()["PHONEPE_SALT_KEY"] != ours


def test_without_a_database_nothing_is_saved_and_the_report_is_complete(monkeypatch):
    gone = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": refusing_port()}
    gone |= {"NAME": "shop", "USER": "okpuja", "PASSWORD": "x", "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | gone)
    answer = diagnose().as_json()
    assert (answer["verdict"], answer["history"]) == ("database_down", [])


def test_a_missing_table_stops_no_diagnosis(monkeypatch):
    monkeypatch.setattr(DiagnosisRun._meta, "db_table", "not_made_yet")
    with pytest.raises(DatabaseError):
        DiagnosisRun.objects.count()
    assert report_json()["verdict"] == "simulated"


def test_orders_with_failed_calls_are_listed_for_support():
    payment = make_payment()
    attempt = payment.attempts.get()
    GatewayCall.objects.create(
        payment=payment,
        attempt=attempt,
        operation="pay",
        endpoint="https://api.phonepe.com",
        host="api.phonepe.com",
        port=443,
        stage="BODY",
        milliseconds=12,
        http_status=500,
        code="INTERNAL_SERVER_ERROR",
        error_category="GATEWAY_5XX",
        started_at=timezone.now(),
    )
    [line] = load_past_runs().failed_calls
    assert f"pay of order {attempt.merchant_order_id}: HTTP 500 INTERNAL_SERVER_ERROR" in line


def test_no_secret_is_saved(settings, real_v1, control):
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}"
    settings.PHONEPE_WEBHOOK_PASSWORD = "Webhook-pass-word-9"
    settings.BROKER_URL = f"amqp://user:the-broker-password@127.0.0.1:{refusing_port()}"
    diagnose()
    run = DiagnosisRun.objects.get()
    text = json.dumps([run.answer, run.circumstances])
    for secret in (
        settings.PHONEPE_SALT_KEY,
        "Webhook-pass-word-9",
        "the-broker-password",
        settings.SECRET_KEY,
    ):
        assert secret not in text

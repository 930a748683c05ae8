"""What Prometheus reads at /metrics, and that the alarms and the board ask for nothing else."""

import json
import re
import shutil
import subprocess
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from notifications.models import Notification
from okpuja import metrics
from payment.models import DiagnosisRun, GatewayCall, Payment, PaymentAttempt, WebhookEvent, WorkLease
from payment.services.leases import WHOLE_KIND
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness import ROOT
from tests.unit.payment.builders import make_payment

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = "tests-only-ops-token"
ENDPOINT = "https://api.phonepe.com/apis/pg"
RULES = ROOT / "deploy/prometheus/okpuja.rules.yml"
BOARD = ROOT / "deploy/grafana/okpuja.json"


@pytest.fixture(autouse=True)
def fresh_page(monkeypatch):
    monkeypatch.setattr(metrics, "page", metrics.Page())


def read(**headers):
    answer = Client().get("/metrics", headers=headers or {"X-Ops-Token": TOKEN})
    assert answer.status_code == 200, answer.content
    return answer


def order(**fields):
    """The order of a new payment of ₹700, with these columns."""
    attempt = make_payment(amount_paise=70_000).attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**fields)
    attempt.refresh_from_db()
    return attempt


def values(text):
    """By name and the values of the labels in their alphabetical order."""
    return {
        (sample.name.removeprefix("okpuja_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def measured():
    metrics.page = metrics.Page()
    return values(read().content.decode())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Ops-Token": "wrong"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
    ],
)
def test_nobody_reads_figures_about_money_without_the_token(headers):
    answer = Client().get("/metrics", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert b"okpuja_" not in answer.content


def test_an_installation_without_a_token_has_no_measurements(settings):
    settings.OPS_TOKEN = ""

    assert Client().get("/metrics", headers={"X-Ops-Token": ""}).status_code == 401


@pytest.mark.parametrize("headers", [{"X-Ops-Token": TOKEN}, {"Authorization": f"Bearer {TOKEN}"}])
def test_prometheus_may_send_the_token_in_either_header(headers):
    answer = read(Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5", **headers)

    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-store" in answer["Cache-Control"]
    assert values(answer.content.decode())["database_up",] == 1


def test_guesses_at_the_token_are_stopped():
    codes = [
        Client().get("/metrics", headers={"X-Ops-Token": f"guess {number}"}).status_code
        for number in range(12)
    ]

    assert codes[0] == 401
    assert codes[-1] == 429


def test_money_that_waits_for_too_long_is_counted_with_its_amount():
    late = make_payment(amount_paise=110_000, state=PaymentState.SUCCESS, fulfilment=Fulfilment.DUE)
    Payment.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(hours=3))
    make_payment(amount_paise=50_000)

    found = measured()

    assert found["money_at_risk_paise", "unfulfilled"] == 110_000
    assert found["cases_at_risk", "unfulfilled"] == 1
    assert found["money_at_risk_paise", "refund_late"] == 0
    assert found["payments_unfinished_paise", "under_1d", "DUE"] == 110_000
    assert found["payments_open", "under_5m"] == 1


def test_an_order_that_nobody_decides_is_at_risk_once_its_page_is_long_over():
    order(state=AttemptState.UNKNOWN, expires_at=timezone.now() - timedelta(hours=3))

    assert measured()["money_at_risk_paise", "undecided"] == 70_000


def test_calls_are_counted_by_endpoint_operation_stage_and_outcome_and_three_in_a_row_open_the_circuit():
    def call(stage, category="", ago=0):
        GatewayCall.objects.create(
            operation="pay",
            endpoint=ENDPOINT,
            host="api.phonepe.com",
            port=443,
            stage=stage,
            milliseconds=250,
            error_category=category,
            started_at=timezone.now() - timedelta(seconds=ago),
        )

    call("BODY")
    for _ in range(2):
        call("RESOLVED", "CONNECTION_REFUSED")
    before = measured()
    call("RESOLVED", "CONNECTION_REFUSED")
    found = measured()

    assert before["circuit_open", ENDPOINT] == 0
    assert (found["circuit_failures", ENDPOINT], found["circuit_open", ENDPOINT]) == (3, 1)
    assert found["calls_5m", ENDPOINT, "pay", "CONNECTION_REFUSED", "RESOLVED"] == 3
    assert found["calls_5m_seconds", ENDPOINT, "pay", "ok", "BODY"] == 0.25
    call("BODY")
    assert measured()["circuit_open", ENDPOINT] == 0


def test_the_worker_is_late_by_the_row_that_it_neglects_most():
    order(next_check_at=timezone.now() - timedelta(minutes=10))
    now = timezone.now()
    WorkLease.objects.create(
        kind="refunds", row=9, token="0" * 32, taken_at=now, held_until=now, tries=5, error="ValueError"
    )
    WorkLease.objects.create(
        kind="watch", row=WHOLE_KIND, token="1" * 32, taken_at=now, held_until=now - timedelta(minutes=4)
    )

    found = measured()

    assert found["worker_lag_seconds", "attempts"] == pytest.approx(600, abs=10)
    assert (found["worker_due", "attempts"], found["worker_due", "refunds"]) == (1, 0)
    assert found["worker_failing_rows", "refunds"] == 1
    assert found["worker_seen_seconds",] == pytest.approx(300, abs=10)


def test_a_webhook_is_late_by_the_time_since_the_payment():
    attempt = order(state=AttemptState.COMPLETED, received_paise=70_000, paid_at=timezone.now())
    event = WebhookEvent.objects.create(
        digest="a", scheme="v2", body=b"{}", claimed_state="COMPLETED", attempt=attempt, state="HANDLED"
    )
    WebhookEvent.objects.filter(pk=event.pk).update(
        received_at=attempt.paid_at + timedelta(seconds=40),
        handled_at=attempt.paid_at + timedelta(seconds=43),
    )

    found = measured()

    assert found["webhook_delay_seconds", "phonepe", "longest"] == pytest.approx(40)
    assert found["webhook_delay_seconds", "ours", "average"] == pytest.approx(3)
    assert found["webhooks_1h", "HANDLED"] == 1


def test_messages_that_wait_and_the_last_verdict_are_there():
    now = timezone.now()
    waiting = Notification.objects.create(kind="booked", key="a", message_id="a", email="a@example.com")
    Notification.objects.filter(pk=waiting.pk).update(created_at=now - timedelta(hours=2))
    DiagnosisRun.objects.create(
        asked_by="worker",
        started_at=now,
        finished_at=now,
        success=False,
        verdict="connection_refused",
        culprit="hosting",
    )

    found = measured()

    assert found["outbox_waiting", "PERSON"] == 1
    assert found["outbox_oldest_seconds", "PERSON"] == pytest.approx(7200, abs=10)
    assert found["diagnosis_ok",] == 0
    assert found["diagnosis_info", "hosting", "connection_refused"] == 1


def test_simulated_money_is_left_out_where_nothing_is_simulated(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    make_payment(simulated=True)

    assert not [name for name in measured() if name[0] == "payments_open"]


def test_as_many_statements_whatever_there_is(django_assert_num_queries):
    statements = 16 if connection.vendor == "postgresql" else 15  # PostgreSQL is asked for its clock
    with django_assert_num_queries(statements):
        metrics.collect()
    for number in range(30):
        attempt = order()
        Notification.objects.create(kind="booked", key=f"{number}", message_id="a", email="a@example.com")
        WebhookEvent.objects.create(
            digest=f"{number}", scheme="v2", body=b"", claimed_state="PENDING", attempt=attempt
        )
    with django_assert_num_queries(statements):
        metrics.collect()


def test_many_readers_cost_one_collection_in_some_seconds(monkeypatch):
    collected = []
    monkeypatch.setattr(metrics, "GROUPS", (lambda now: iter(collected.append(now) or ()),))

    for _ in range(3):
        read()

    assert len(collected) == 1


def test_without_a_database_prometheus_hears_so_and_gets_no_error(monkeypatch):
    def fails(now):
        raise OperationalError("down")

    monkeypatch.setattr(metrics, "GROUPS", (fails,))

    found = measured()

    assert {name for name, *_ in found} == {"database_up", "build_info"}
    assert found["database_up",] == 0


def asked_for(text):
    return set(re.findall(r"\b(okpuja_\w+)", re.sub(r"okpuja_(?:web|worker)@", "", text)))


def known_names():
    """Every name that a group can say, also without rows."""
    return {
        f"okpuja_{name}" for name in re.findall(r'(?:gauge\(\s*|^        \()"(\w+)",', METRICS_SOURCE, re.M)
    }


METRICS_SOURCE = (ROOT / "okpuja/metrics.py").read_text()


@pytest.mark.parametrize("file", [RULES, BOARD])
def test_alarms_and_board_ask_for_measurements_that_exist(file):
    assert asked_for(file.read_text()) - known_names() == set()


def test_every_panel_of_the_board_has_a_question():
    panels = json.loads(BOARD.read_text())["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    assert all(target["expr"] for panel in panels for target in panel["targets"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", RULES.name),
        ("test", "rules", "okpuja.rules.test.yml"),
    ],
)
def test_promtool_accepts_the_files_and_each_alarm_rings_when_it_should(arguments):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("NOT CHECKED: promtool is not here (Debian: apt-get install prometheus)")
    run = subprocess.run(
        [promtool, *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False, timeout=60
    )

    assert run.returncode == 0, run.stdout + run.stderr

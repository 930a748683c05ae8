"""Who wants to pay while PhonePe does not answer is told before, and told again when it works."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notifications.models import Notification
from payment.models import DiagnosisRun, GatewayCall, PayingWatch
from payment.services import paying
from payment.services.outcomes import apply_status
from payment.services.paying import paying_works, tell_if_paying_works, watch
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/payments/paying/"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    monkeypatch.setattr(paying, "cached", paying._CachedAnswer())


def called(error_category: str = "", minutes_ago: float = 0, times: int = 1, operation: str = "pay") -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    for _ in range(times):
        GatewayCall.objects.create(
            operation=operation,
            endpoint="https://example.com",
            host="example.com",
            port=443,
            milliseconds=1,
            stage="CONNECTED",
            error_category=error_category,
            started_at=at,
        )


@pytest.mark.parametrize(
    ("calls", "works"),
    [
        ([], True),
        ([("CONNECTION_REFUSED", 1, 2)], True),
        ([("CONNECTION_REFUSED", 1, 3)], False),
        ([("GATEWAY_5XX", 1, 1), ("READ_TIMEOUT", 1, 1), ("DNS_ERROR", 0, 1)], False),
        ([("CONNECTION_REFUSED", 1, 3), ("", 0, 1)], True),
        ([("CONNECTION_REFUSED", 1, 3), ("REJECTED", 0, 1)], True),
        ([("CONNECTION_REFUSED", 6, 3)], True),
        ([("AUTHENTICATION", 0, 3)], False),
    ],
)
def test_paying_works_unless_the_last_calls_all_failed(calls, works):
    for category, minutes_ago, times in calls:
        called(category, minutes_ago, times)
    assert paying_works() is works


def test_it_does_not_work_while_phonepe_answers_but_opens_no_order():
    for _ in range(3):
        called("GATEWAY_5XX")
        called(operation="status")
    assert paying_works() is False

    paying.cached.until = 0
    called()
    assert paying_works() is True


def test_it_does_not_work_while_no_question_is_answered():
    called("READ_TIMEOUT", times=3, operation="status")
    assert paying_works() is False

    paying.cached.until = 0
    called(operation="status")
    assert paying_works() is True


def test_it_does_not_work_while_it_is_switched_off(settings):
    settings.PAYMENT_ENABLED = False
    assert paying_works() is False


def test_many_who_ask_cost_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert [paying_works() for _ in range(5)] == [True] * 5


def test_everybody_is_told_whether_they_can_pay(api):
    assert api().get(URL).json()["works"] is True
    paying.cached.until = 0
    called("CONNECTION_REFUSED", times=3)

    told = api().get(URL, headers={"Accept-Language": "hi"}).json()
    assert told["works"] is False
    assert told["message"].startswith("Payments do not work at the moment.")
    assert api().post(URL).status_code == 401


def test_who_asked_is_told_once_when_phonepe_answers_again(api, alice):
    called("CONNECTION_REFUSED", times=3)
    assert [api(alice).post(URL).status_code for _ in range(2)] == [202, 202]
    due()
    run_due(["paying_watches"])
    assert not Notification.objects.exists()

    called()
    due()
    run_due(["paying_watches"])
    run_due(["paying_watches"])
    assert Notification.objects.get().kind == "paying_works"
    assert not PayingWatch.objects.exists()


@pytest.mark.parametrize(("failed_minutes_ago", "told"), [(1, 0), (6, 1)])
def test_an_answer_about_an_order_does_not_say_that_new_ones_are_opened(alice, failed_minutes_ago, told):
    called("GATEWAY_5XX", failed_minutes_ago)
    watch(alice)
    called(operation="status")
    due()
    run_due(["paying_watches"])

    assert Notification.objects.count() == told


def test_who_has_paid_meanwhile_is_not_told(alice, package, slot):
    watch(alice)
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    called()
    due()
    run_due(["paying_watches"])

    assert not Notification.objects.filter(kind="paying_works").exists()
    assert not PayingWatch.objects.exists()


def test_an_answer_from_before_the_question_does_not_count(alice):
    called(minutes_ago=1)
    watch(alice)
    due()
    run_due(["paying_watches"])

    assert not Notification.objects.exists()


def test_a_diagnosis_that_went_well_counts(alice):
    watch(alice)
    DiagnosisRun.objects.create(asked_by="worker", started_at=timezone.now(), success=True)
    due()
    run_due(["paying_watches"])

    assert Notification.objects.count() == 1


def test_nobody_is_written_to_when_paying_works_already(api, alice):
    assert api(alice).post(URL).status_code == 200
    assert not PayingWatch.objects.exists()


def test_after_two_days_the_question_is_forgotten(alice):
    watch(alice)
    PayingWatch.objects.update(created_at=timezone.now() - timedelta(days=2, minutes=1))
    due()
    run_due(["paying_watches"])

    assert not PayingWatch.objects.exists()
    assert not Notification.objects.exists()


@pytest.mark.slow
def test_two_workers_tell_once(alice):
    watch(alice)
    called()
    due()
    row = PayingWatch.objects.get().pk
    at_once(lambda: tell_if_paying_works(row), lambda: tell_if_paying_works(row))

    assert Notification.objects.count() == 1


def due() -> None:
    PayingWatch.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))

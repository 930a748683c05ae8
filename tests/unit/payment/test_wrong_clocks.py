"""A clock that was wrong, ours or PhonePe's, blocks nobody: not when it was ahead, not when it was behind.

What it has left in the rows lies hours ahead or behind when the clock is right again.
"""

import time
import uuid
from datetime import timedelta

import pytest
import responses
from django.db.models import F
from django.utils import timezone

from accounts.sessions import SessionAccess, open_session
from booking.models import Checkout, SlotHold
from core.errors import Conflict
from diagnostics.runner import diagnosis_due
from notifications.models import Notification
from payment.gateways import OrderStatus, RefundStatus
from payment.models import (
    DiagnosisRun,
    GatewayCall,
    IdempotencyKey,
    Payment,
    PaymentAttempt,
    Refund,
    WebhookEvent,
    WorkLease,
)
from payment.phonepe.enums import ProviderStatus
from payment.services.attempts import PAGE, _claim
from payment.services.checkout import start_payment
from payment.services.idempotency import _digest
from payment.services.monitoring import run_checks
from payment.services.outcomes import apply_status, stop_waiting
from payment.services.queue import due
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.status import give_up, refresh
from payment.states import Fulfilment, PaymentState, RefundState
from tests.unit.payment.builders import make_payment
from tests.unit.payment.scripted import ScriptedPhonePe
from worker.jobs import run_due

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
PROCESS_CART = "/api/payments/payments/process-cart/"


@pytest.fixture(params=[2, -2], ids=["was ahead", "was behind"])
def wrong(request):
    """The moment "now" on the clock that was wrong by two hours."""
    return timezone.now() + timedelta(hours=request.param)


@pytest.fixture
def started(alice, cart):
    return start_payment(alice, cart_id=cart.pk)


def test_a_payment_is_asked_about_whenever_it_was_asked_about_before(wrong, started, phonepe):
    Payment.objects.update(asked_at=wrong)
    phonepe.decide(started.attempt.merchant_order_id)

    assert refresh(started.payment, 1, "status").state == PaymentState.SUCCESS


def test_a_cart_is_paid_whoever_was_opening_its_page(wrong, started, api, alice, cart):
    PaymentAttempt.objects.update(page_url="", call_lease_until=wrong + timedelta(seconds=25))

    answer = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json")

    assert (answer.status_code, bool(answer.json()["payment_url"])) == (200, True)


def test_nobody_is_sent_to_a_page_whose_end_was_written_by_a_wrong_clock(wrong, started, api, alice, cart):
    before = started.attempt.page_url
    PaymentAttempt.objects.update(sent_at=wrong, expires_at=wrong + timedelta(minutes=15))

    answer = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json")

    assert answer.status_code in (200, 201)
    assert answer.json()["payment_url"] != before


def test_who_was_opening_the_page_keeps_nobody_from_giving_up(wrong, started):
    PaymentAttempt.objects.update(call_lease_until=wrong + timedelta(seconds=25))

    assert give_up(started.payment, 5).state == PaymentState.CANCELLED


def test_a_key_whose_request_died_is_taken_over(wrong, api, alice, cart):
    key = "a-key-of-thirty-two-characters-x"
    first = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    assert first.status_code == 201
    died = IdempotencyKey.objects.filter(key_digest=_digest(key))
    died.update(status_code=None, answer=None, lease_until=wrong + timedelta(seconds=60))

    again = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)

    assert again.status_code == 200


def test_a_key_that_was_claimed_after_this_request_read_the_clock_is_in_use(api, alice, cart):
    """Two requests at once: the one that looks later may have read the clock earlier."""
    key = "a-key-of-thirty-two-characters-x"
    api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    later = timezone.now() + timedelta(seconds=10)
    IdempotencyKey.objects.update(status_code=None, answer=None, lease_until=later + timedelta(seconds=60))

    again = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)

    assert (again.status_code, again.json()["code"]) == (409, "idempotency_in_flight")


def test_a_stored_answer_of_a_wrong_year_is_forgotten(api, alice, cart):
    key = "a-key-of-thirty-two-characters-x"
    api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)
    IdempotencyKey.objects.update(created_at=timezone.now() + timedelta(days=400))

    again = api(alice).post(PROCESS_CART, {"cart_id": cart.pk}, format="json", HTTP_IDEMPOTENCY_KEY=key)

    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (200, None)


def one_of_each(next_check_at, **fields) -> list:
    """A row of every kind that a worker leases."""
    fields |= {"next_check_at": next_check_at}
    attempt = make_payment().attempts.get()
    PaymentAttempt.objects.update(**fields)
    refund = Refund.objects.create(
        payment=attempt.payment, attempt=attempt, merchant_refund_id="R1", amount_paise=100, **fields
    )
    event = WebhookEvent.objects.create(digest="d", scheme="hmac", body=b"{}", attempt=attempt, **fields)
    notice = Notification.objects.create(kind="booked", key="k", message_id="m", **fields)
    return [attempt, refund, event, notice]


def are_due(rows: list) -> list[bool]:
    return [due(type(row), timezone.now()).filter(pk=row.pk).exists() for row in rows]


def test_a_row_whose_worker_died_is_worked_on_whatever_its_clock_said(started, phonepe):
    phonepe.decide(started.attempt.merchant_order_id)
    PaymentAttempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    ahead = timezone.now() + timedelta(hours=2)
    lease = {"token": uuid.uuid4(), "taken_at": ahead, "held_until": ahead + timedelta(seconds=60)}
    WorkLease.objects.create(kind="attempts", row=started.attempt.pk, **lease)

    run_due(["attempts"])

    assert Payment.objects.get().state == PaymentState.SUCCESS


def test_a_row_that_is_to_be_looked_at_in_a_wrong_year_is_due():
    rows = one_of_each(timezone.now() + timedelta(days=400))

    run_checks(1)

    assert are_due(rows) == [True] * 4


def test_an_order_that_was_sent_in_the_future_is_asked_about_now(started):
    ahead = timezone.now() + timedelta(hours=2)
    PaymentAttempt.objects.update(sent_at=ahead, next_check_at=ahead + timedelta(seconds=25))

    run_checks(1)

    assert run_due(["attempts"]) == 1
    following = PaymentAttempt.objects.get().next_check_at - timezone.now()
    assert following <= timedelta(minutes=1)


def test_a_place_is_not_held_until_a_wrong_clock_lets_it_go(started, slot):
    ahead = timezone.now() + timedelta(days=1)
    SlotHold.objects.update(expires_at=ahead)
    Checkout.objects.update(expires_at=ahead)

    run_checks(1)
    run_due(["holds"])

    slot.refresh_from_db()
    assert slot.held == 0


def test_a_refund_that_never_arrived_is_sent_again_whenever_it_was_sent(wrong):
    attempt = make_payment().attempts.get()
    refund = Refund.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        merchant_refund_id="R1",
        amount_paise=100,
        state=RefundState.UNKNOWN,
        sent_at=wrong,
        next_check_at=timezone.now(),
    )

    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.NOT_FOUND), "worker")

    refund.refresh_from_db()
    assert refund.sent_at is None


def test_a_login_of_a_clock_that_was_ahead_is_still_a_login(wrong, api, alice):
    token = SessionAccess(open_session(alice).access)
    token.set_iat(at_time=wrong)
    phone = api()
    phone.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")

    assert phone.get("/api/payments/payments/").status_code == 200


# --- A deploy while a page is open: what is stored was written under other settings ---------------------------------


@pytest.fixture(params=[3600, 1800, 900, 300])
def opened_before(request, settings, alice, cart):
    """An order whose page was opened with that life; since then pages live for five minutes."""
    settings.PHONEPE_EXPIRE_AFTER = request.param
    started = start_payment(alice, cart_id=cart.pk)
    settings.PHONEPE_EXPIRE_AFTER = 300
    return started


def test_a_page_that_was_opened_with_a_longer_life_stays_open(opened_before, slot):
    attempt = PaymentAttempt.objects.get()
    assert attempt.has_open_page(timezone.now())

    run_checks(1)
    run_due(["holds"])
    payment = apply_status(attempt.pk, OrderStatus(ProviderStatus.PENDING), "worker")

    slot.refresh_from_db()
    assert (payment.state, Checkout.objects.get().state, slot.held) == ("PENDING", "RESERVED", 1)
    assert refused(lambda: stop_waiting(payment.pk, "given_up", "x")) == "payment_under_way"


def test_a_hold_that_was_written_with_a_longer_life_is_stretched(opened_before, slot):
    SlotHold.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    run_due(["holds"])

    slot.refresh_from_db()
    assert slot.held == 1


def test_who_calls_phonepe_under_a_longer_deadline_still_does(started, settings):
    PaymentAttempt.objects.update(call_lease_until=timezone.now() + timedelta(seconds=60))
    settings.PHONEPE_DEADLINE = 5

    assert PaymentAttempt.objects.get().is_being_called(timezone.now())


def refused(act) -> str:
    with pytest.raises(Conflict) as refusal:
        act()
    return str(refusal.value.get_codes())


@pytest.mark.parametrize("minutes", [2, 20, 40, 60, 24 * 60])
def test_a_page_and_a_place_of_a_clock_that_was_ahead_are_over(started, minutes, slot):
    ahead = timedelta(minutes=minutes)
    moments = {name: F(name) + ahead for name in ("created_at", "expires_at")}
    PaymentAttempt.objects.update(**moments, sent_at=F("sent_at") + ahead)
    Checkout.objects.update(**moments)
    SlotHold.objects.update(**moments)

    assert PaymentAttempt.objects.get().is_past_its_page(timezone.now())
    run_checks(1)
    run_due(["holds"])
    slot.refresh_from_db()
    assert slot.held == 0


def test_an_order_of_a_wrong_clock_that_is_opened_again_in_vain_is_still_over(started, phonepe):
    ahead = timedelta(hours=1)
    PaymentAttempt.objects.update(
        page_url="", sent_at=F("sent_at") + ahead, expires_at=F("expires_at") + ahead
    )
    _claim(started.payment.pk, PAGE)

    assert PaymentAttempt.objects.get().is_past_its_page(timezone.now())


def test_the_cart_of_held_money_is_free_though_it_was_checked_out_in_the_future(started):
    Payment.objects.update(fulfilment=Fulfilment.HELD_FOR_STAFF, held_because="amount_differs")
    ahead = timezone.now() + timedelta(hours=1)
    Checkout.objects.update(created_at=ahead, expires_at=ahead + timedelta(minutes=15))

    run_checks(1)

    assert Checkout.objects.get().state == Checkout.State.RELEASED


def test_failing_calls_are_looked_into_though_the_last_look_was_in_the_future(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    now = timezone.now()
    call = {"operation": "pay", "port": 443, "milliseconds": 1, "error_category": "timeout"}
    GatewayCall.objects.bulk_create(GatewayCall(**call, started_at=now) for _ in range(5))
    regular = f"regular {int(now.timestamp()) // 300}"
    DiagnosisRun.objects.create(asked_by="worker", occasion=regular, started_at=now + timedelta(hours=1))

    assert diagnosis_due(now)


def milliseconds(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


NOT_TOLD = {
    "in the past": lambda: milliseconds(-3600),
    "now": lambda: milliseconds(0),
    "in 59 seconds": lambda: milliseconds(59),
    "in 62 minutes": lambda: milliseconds(62 * 60),
    "in the year 2099": lambda: 4_080_000_000_000,
    "in the year 60000": lambda: 10**15,
    "in seconds, past": lambda: int(time.time()) - 60,
    "as text": lambda: str(milliseconds(300)),
    "as a bool": lambda: True,
    "as NaN": lambda: float("nan"),
    "not at all": lambda: None,
}
TOLD = {
    "in milliseconds": lambda: milliseconds(300),
    "in seconds": lambda: int(time.time()) + 300,
    "in whole seconds with a point": lambda: float(int(time.time()) + 300),
}


@pytest.mark.parametrize("told", [*NOT_TOLD, *TOLD])
def test_a_page_ends_when_phonepe_says_so_or_when_ours_do(told, alice, cart, settings):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        scripted = ScriptedPhonePe(wire, settings, "v2")
        scripted.expire_at = (NOT_TOLD | TOLD)[told]()
        attempt = start_payment(alice, cart_id=cart.pk).attempt

    left = (attempt.expires_at - timezone.now()).total_seconds()
    expected = 300 if told in TOLD else settings.PHONEPE_EXPIRE_AFTER
    assert expected - 30 < left <= expected
    assert attempt.has_open_page(timezone.now())


def test_an_end_that_was_told_under_a_longer_setting_is_believed(alice, cart, settings):
    """The order was said with 45 minutes and its answer lost. Said again, PhonePe tells the end of that page."""
    assert settings.PHONEPE_EXPIRE_AFTER < 2700
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        scripted = ScriptedPhonePe(wire, settings, "v2")
        scripted.expire_at = milliseconds(2700)
        attempt = start_payment(alice, cart_id=cart.pk).attempt

    assert (attempt.expires_at - timezone.now()).total_seconds() > 2600
    assert attempt.has_open_page(timezone.now())
    assert SlotHold.objects.get().expires_at > attempt.expires_at

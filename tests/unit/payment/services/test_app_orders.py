"""A cart that is paid in an app: PhonePe's SDK with an order token (V2), or a UPI app with a link (V1)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import SlotHold
from payment.gateways import NotOffered, NotSent
from payment.models import GatewayCall, Payment, PaymentAttempt
from payment.phonepe import credentials
from payment.phonepe.enums import Channel, ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services import attempts as attempts_service
from payment.services.attempts import (
    PAGE,
    Claim,
    OpenElsewhere,
    Opening,
    PaymentUnderWay,
    request_page,
)
from payment.services.checkout import reopen, start_donation, start_payment
from payment.services.outcomes import apply_status
from payment.services.status import give_up, next_poll_at, poll, refresh
from payment.states import AttemptState, Fulfilment, PaymentState
from simulator.models import Order as SimulatedOrder
from tests.unit.payment.builders import completed

pytestmark = pytest.mark.django_db(transaction=True)

SDK = Opening(Channel.SDK)
ON_ANDROID = Opening(Channel.UPI_INTENT, "com.phonepe.app", "ANDROID")
ON_IOS = Opening(Channel.UPI_INTENT, "GPAY", "IOS")


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A second click looks once, it does not wait for real."""
    monkeypatch.setattr(attempts_service, "SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST", 0.05)


@pytest.fixture
def app(generation):
    """What an app asks for with the protocol of this merchant."""
    return SDK if generation == "v2" else ON_ANDROID


def handle(attempt: PaymentAttempt) -> str:
    return attempt.order_token or attempt.intent_url


def payable_orders() -> list[str]:
    """Orders that somebody could pay at PhonePe with what we have given away."""
    given = [each for each in PaymentAttempt.objects.all() if each.was_opened]
    open_at_phonepe = set(
        SimulatedOrder.objects.filter(state="PENDING").values_list("merchant_order_id", flat=True)
    )
    return [each.merchant_order_id for each in given if each.merchant_order_id in open_at_phonepe]


def test_a_cart_becomes_one_open_order_for_the_app(generation, app, alice, cart, slot, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)

    attempt = PaymentAttempt.objects.get()
    assert (started.is_new, attempt.state, attempt.channel) == (True, AttemptState.PENDING, app.channel)
    assert attempt.page_url == ""
    known = SimulatedOrder.objects.get()
    assert (known.merchant_order_id, known.amount_paise) == (attempt.merchant_order_id, 110_000)
    if generation == "v2":
        assert (attempt.order_token, attempt.provider_order_id) == (known.page_token, known.provider_id)
    else:
        assert attempt.intent_url.startswith("upi://pay?")
        assert "am=1100.00" in attempt.intent_url
    slot.refresh_from_db()
    assert slot.held == 1


def test_two_taps_find_the_same_order(app, alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk, opening=app)
    second = start_payment(alice, cart_id=cart.pk, opening=app)

    assert (second.is_new, second.payment) == (False, first.payment)
    assert handle(second.attempt) == handle(first.attempt)
    assert len(phonepe.order_ids) == 1


def test_what_the_app_pays_is_booked_when_phonepe_says_so(app, alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    order = started.attempt
    assert phonepe.act_in_app(order.merchant_order_id, "pays", order.order_token) == "SUCCESS"

    payment = refresh(started.payment, 5, "test")

    assert (payment.state, payment.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)


def test_a_success_that_only_the_app_saw_books_nothing(app, alice, cart, slot, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    order = started.attempt
    told = phonepe.act_in_app(order.merchant_order_id, "fails_but_reports_success", order.order_token)
    assert told == "SUCCESS"

    payment = refresh(started.payment, 5, "check-booking")

    assert (payment.state, payment.fulfilment) == (PaymentState.FAILED, Fulfilment.NONE)
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 0)


def test_an_app_that_was_killed_after_paying_is_found_by_the_status(app, alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    order = started.attempt
    assert phonepe.act_in_app(order.merchant_order_id, "pays_and_is_killed", order.order_token) is None

    assert poll(order, Deadline(5), "worker").fulfilment == Fulfilment.BOOKED


# --- from one channel to the other ---


@pytest.mark.parametrize("first_in_app", [True, False], ids=["app then page", "page then app"])
def test_an_open_order_is_not_opened_a_second_time_elsewhere(app, alice, cart, phonepe, first_in_app):
    first, then = (app, PAGE) if first_in_app else (PAGE, app)
    started = start_payment(alice, cart_id=cart.pk, opening=first)

    with pytest.raises(OpenElsewhere) as refused:
        start_payment(alice, cart_id=cart.pk, opening=then)

    assert (refused.value.status_code, refused.value.code) == (409, "open_elsewhere")
    extra = refused.value.extra
    assert (extra["payment_id"], extra["channel"]) == (started.payment.pk, first.channel)
    assert extra["payment_url"] == (started.attempt.page_url or None)
    assert extra["expires_at"] in extra["how_to_change"]
    assert "cleanup" not in extra["how_to_change"]  # giving it up withdraws nothing at PhonePe
    assert payable_orders() == [started.attempt.merchant_order_id]


def test_an_order_that_never_reached_phonepe_may_be_opened_elsewhere(app, alice, cart, phonepe):
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent):
        start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.clear_faults()

    started = start_payment(alice, cart_id=cart.pk)

    attempt = PaymentAttempt.objects.get()
    assert (attempt.number, attempt.channel, attempt.target_app) == (1, Channel.PAGE, "")
    assert started.attempt.page_url
    assert payable_orders() == [attempt.merchant_order_id]


@pytest.mark.parametrize("first_in_app", [True, False], ids=["app then page", "page then app"])
def test_an_order_whose_answer_was_lost_can_be_paid_by_nobody(app, alice, cart, phonepe, first_in_app):
    """PhonePe has opened it, but its page, token or link reached nobody: another order is opened beside it."""
    first, then = (app, PAGE) if first_in_app else (PAGE, app)
    phonepe.inject_fault("pay", "reset_after")
    phonepe.inject_fault("status", "status_500", times=9)
    with pytest.raises(Exception, match="PhonePe has not answered yet"):
        start_payment(alice, cart_id=cart.pk, opening=first)
    phonepe.clear_faults()

    started = start_payment(alice, cart_id=cart.pk, opening=then)

    assert [(each.number, each.channel) for each in started.payment.attempts.all()] == [
        (1, then.channel),
        (2, then.channel),
    ]
    assert payable_orders() == [started.attempt.merchant_order_id]


def test_a_lost_answer_is_followed_by_an_order_for_the_same_app(app, alice, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")

    started = start_payment(alice, cart_id=cart.pk, opening=app)

    attempts = list(started.payment.attempts.all())
    assert [(each.number, each.channel, each.target_app, each.device_os) for each in attempts] == [
        (number, app.channel, app.target_app, app.device_os) for number in (1, 2)
    ]
    assert not attempts[0].was_opened
    assert handle(attempts[1])


def test_an_answer_that_comes_after_another_request_opened_it_elsewhere_is_not_used(app, alice, cart):
    """Its lease had ended. Two orders could be paid if both were given away."""
    start_payment(alice, cart_id=cart.pk, opening=app)
    PaymentAttempt.objects.update(
        state=AttemptState.CREATED, order_token="", intent_url="", merchant_order_id="OKP-sent-late"
    )
    stale = PaymentAttempt.objects.get()
    PaymentAttempt.objects.update(channel=Channel.PAGE)

    with pytest.raises(PaymentUnderWay):
        request_page(Claim(stale, sent_before=None), Deadline(5))

    assert not PaymentAttempt.objects.get().was_opened


@pytest.mark.parametrize("first_in_app", [True, False], ids=["app then page", "page then app"])
def test_giving_it_up_opens_nothing_elsewhere_while_it_can_be_paid(
    app, alice, cart, slot, phonepe, first_in_app
):
    """PhonePe is not told that it was given up."""
    first, then = (app, PAGE) if first_in_app else (PAGE, app)
    started = start_payment(alice, cart_id=cart.pk, opening=first)
    give_up(started.payment, 5)

    with pytest.raises(OpenElsewhere) as refused:
        start_payment(alice, cart_id=cart.pk, opening=then)

    assert refused.value.extra["payment_id"] == started.payment.pk
    assert payable_orders() == [started.attempt.merchant_order_id]
    slot.refresh_from_db()
    assert slot.held == 0

    phonepe.advance_clock(1201)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    again = start_payment(alice, cart_id=cart.pk, opening=then)
    assert (again.is_new, again.attempt.channel) == (True, then.channel)


def test_where_it_was_given_up_it_may_be_opened_again(app, alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    give_up(started.payment, 5)
    assert start_payment(alice, cart_id=cart.pk, opening=app).is_new


def test_money_of_an_order_that_was_given_up_is_found_when_the_app_asks(app, alice, cart, phonepe):
    """Without a webhook, and before its token or link expires."""
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    give_up(started.payment, 5)
    phonepe.act_in_app(started.attempt.merchant_order_id, "pays", started.attempt.order_token)
    Payment.objects.update(asked_at=None)

    payment = refresh(Payment.objects.get(), 5, "check-booking")

    assert (payment.state, payment.fulfilment, payment.came_late) == (
        PaymentState.SUCCESS,
        Fulfilment.BOOKED,
        True,
    )


@pytest.mark.parametrize("in_app", [True, False], ids=["app", "page"])
def test_the_worker_asks_about_an_order_that_was_given_up_until_it_expires(app, alice, cart, in_app):
    started = start_payment(alice, cart_id=cart.pk, opening=app if in_app else PAGE)
    give_up(started.payment, 5)
    attempt, now = PaymentAttempt.objects.get(), timezone.now()
    assert attempt.next_check_at < now + timedelta(minutes=1)

    while now < attempt.expires_at:
        following = next_poll_at(attempt, ProviderStatus.PENDING, now)
        assert now < following
        assert following <= now + timedelta(minutes=1) or now >= attempt.expires_at - timedelta(minutes=1)
        now = following


def test_an_order_that_failed_is_not_asked_about_each_minute(app, alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.act_in_app(started.attempt.merchant_order_id, "fails", started.attempt.order_token)
    refresh(started.payment, 5, "test")
    attempt = PaymentAttempt.objects.get()
    assert next_poll_at(attempt, ProviderStatus.FAILED, timezone.now()) > attempt.expires_at


@pytest.mark.parametrize("then_in_app", [True, False], ids=["app again", "page"])
def test_after_the_token_has_expired_the_old_order_is_settled_first(app, alice, cart, phonepe, then_in_app):
    first = start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.advance_clock(1201)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    second = start_payment(alice, cart_id=cart.pk, opening=app if then_in_app else PAGE)

    first.payment.refresh_from_db()
    assert not first.payment.is_open
    assert second.is_new
    assert payable_orders() == [second.attempt.merchant_order_id]


def test_money_of_an_expired_token_is_booked_not_asked_for_again(app, alice, cart, phonepe):
    first = start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.act_in_app(first.attempt.merchant_order_id, "pays", first.attempt.order_token)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    with pytest.raises(Exception, match="paid already"):
        start_payment(alice, cart_id=cart.pk, opening=app)

    first.payment.refresh_from_db()
    assert first.payment.fulfilment == Fulfilment.BOOKED


def test_a_second_upi_app_is_told_which_one_is_open(settings, alice, cart, phonepe):
    """The link was made for the first app."""
    settings.PHONEPE_API_VERSION = "v1"
    first = start_payment(alice, cart_id=cart.pk, opening=ON_ANDROID)

    with pytest.raises(OpenElsewhere) as refused:
        start_payment(alice, cart_id=cart.pk, opening=ON_IOS)

    assert (refused.value.code, refused.value.extra["target_app"]) == ("open_in_other_app", "com.phonepe.app")
    assert payable_orders() == [first.attempt.merchant_order_id]


# --- what this merchant does not have ---


@pytest.mark.parametrize(("version", "opening"), [("v1", SDK), ("v2", ON_ANDROID)])
def test_what_the_merchant_does_not_have_is_refused_before_anything_is_held(
    settings, alice, cart, slot, phonepe, version, opening
):
    settings.PHONEPE_API_VERSION = version

    with pytest.raises(NotOffered):
        start_payment(alice, cart_id=cart.pk, opening=opening)

    slot.refresh_from_db()
    assert (Payment.objects.count(), slot.held, phonepe.order_ids) == (0, 0, [])


def test_without_a_merchant_id_no_token_is_asked_for(settings, alice, cart, slot, phonepe, monkeypatch):
    """PhonePe's SDK does not start without it."""
    settings.PHONEPE_API_VERSION = "v2"
    merchant = replace(credentials.current(), merchant_id="")
    monkeypatch.setattr(credentials, "current", lambda: merchant)

    with pytest.raises(credentials.NotConfigured) as refused:
        start_payment(alice, cart_id=cart.pk, opening=SDK)

    slot.refresh_from_db()
    assert (refused.value.code, slot.held, phonepe.order_ids) == ("merchant_id_missing", 0, [])


def test_money_of_a_v1_link_after_our_waiting_goes_back_when_the_cart_was_paid(
    settings, alice, cart, phonepe
):
    """V1 ends no link: two orders can be paid. One is booked, the other refunded."""
    settings.PHONEPE_API_VERSION = "v1"
    first = start_payment(alice, cart_id=cart.pk, opening=ON_ANDROID)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    second = start_payment(alice, cart_id=cart.pk)
    assert len(payable_orders()) == 2
    phonepe.decide(second.attempt.merchant_order_id)
    assert poll(second.attempt, Deadline(5), "worker").fulfilment == Fulfilment.BOOKED
    phonepe.act_in_app(first.attempt.merchant_order_id, "pays", "")

    late = poll(PaymentAttempt.objects.get(pk=first.attempt.pk), Deadline(5), "worker")

    assert (late.state, late.fulfilment) == (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)
    assert late.refunds.get().amount_paise == first.attempt.amount_paise


def test_an_order_of_the_former_protocol_gets_no_token_of_the_new_one(settings, alice, cart, phonepe):
    settings.PHONEPE_API_VERSION = "v1"
    phonepe.inject_fault("pay", "refuse", times=9)
    with pytest.raises(NotSent):
        start_payment(alice, cart_id=cart.pk, opening=ON_ANDROID)
    phonepe.clear_faults()
    settings.PHONEPE_API_VERSION = "v2"

    started = start_payment(alice, cart_id=cart.pk, opening=SDK)

    assert [(each.generation, each.channel) for each in started.payment.attempts.all()] == [
        ("v1", Channel.UPI_INTENT),
        ("v2", Channel.SDK),
    ]
    assert payable_orders() == [started.attempt.merchant_order_id]


@pytest.mark.parametrize("then", [SDK, PAGE], ids=["sdk", "page"])
def test_after_the_merchant_changed_no_refusal_locks_the_other_ways(settings, alice, cart, phonepe, then):
    settings.PHONEPE_API_VERSION = "v1"
    phonepe.inject_fault("pay", "reset_after")
    phonepe.inject_fault("status", "status_500", times=9)
    with pytest.raises(Exception, match="PhonePe has not answered yet"):
        start_payment(alice, cart_id=cart.pk)
    phonepe.clear_faults()
    settings.PHONEPE_API_VERSION = "v2"

    with pytest.raises(NotOffered) as refused:
        start_payment(alice, cart_id=cart.pk, opening=ON_ANDROID)
    assert refused.value.extra["payment_id"] == Payment.objects.get().pk

    started = start_payment(alice, cart_id=cart.pk, opening=then)
    assert (started.attempt.generation, started.attempt.channel) == ("v2", then.channel)
    assert payable_orders() == [started.attempt.merchant_order_id]


@pytest.mark.parametrize("then_in_app", [True, False], ids=["app again", "page"])
def test_a_hold_of_an_order_that_the_app_had_is_not_forgiven_by_paying_elsewhere(
    app, alice, cart, phonepe, then_in_app
):
    first = start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.advance_clock(1201)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    start_payment(alice, cart_id=cart.pk, opening=app if then_in_app else PAGE)

    kept = PaymentAttempt.objects.get(payment=first.payment)
    assert (kept.channel, handle(kept)) == (app.channel, handle(first.attempt))
    assert SlotHold.objects.order_by("pk").first().released_at is not None


# --- the other ways to an order ---


def test_a_donation_is_paid_on_the_page(phonepe):
    started = start_donation(None, amount_paise=10_000)
    assert (started.attempt.channel, reopen(started.payment).page_url) == (
        Channel.PAGE,
        started.attempt.page_url,
    )


def test_no_row_has_what_belongs_to_another_channel(phonepe):
    attempt = start_donation(None, amount_paise=10_000).attempt
    for values in (
        {"channel": Channel.PAGE, "page_url": "", "order_token": "x"},
        {"channel": Channel.SDK, "page_url": "https://page"},
        {"channel": Channel.UPI_INTENT, "page_url": "", "order_token": "x"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            PaymentAttempt.objects.filter(pk=attempt.pk).update(**values)


def test_an_end_without_money_after_the_app_had_the_order_is_no_excuse_for_the_hold(
    app, alice, cart, phonepe
):
    """Only an order that PhonePe never opened is forgiven: see the bounds of unpaid places."""
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    phonepe.act_in_app(started.attempt.merchant_order_id, "fails", started.attempt.order_token)
    refresh(started.payment, 5, "test")
    assert SlotHold.objects.get().released_at is not None


# --- the customer's phone number ---


def test_phonepes_page_is_filled_in_with_an_indian_mobile_number(settings, alice, cart, caplog):
    settings.PHONEPE_API_VERSION = "v2"
    with caplog.at_level("DEBUG"):
        start_payment(alice, cart_id=cart.pk)

    assert SimulatedOrder.objects.get().prefilled_phone == "9876500001"
    assert "9876500001" not in caplog.text + repr([record.__dict__ for record in caplog.records])
    assert "9876500001" not in repr(list(GatewayCall.objects.values()))


@pytest.mark.parametrize("phone", ["+44 7911 123456", "0612-2234567", "ask at temple", None])
def test_no_other_number_is_sent_to_phonepe(settings, alice, cart, phone):
    settings.PHONEPE_API_VERSION = "v2"
    alice.phone = phone
    alice.save()
    start_payment(alice, cart_id=cart.pk)
    assert SimulatedOrder.objects.get().prefilled_phone == ""


def test_numbers_can_be_kept_from_phonepe(settings, alice, cart):
    settings.PHONEPE_API_VERSION, settings.PHONEPE_PREFILL_PHONE = "v2", False
    start_payment(alice, cart_id=cart.pk)
    assert SimulatedOrder.objects.get().prefilled_phone == ""


def test_an_order_of_an_app_that_is_reported_twice_is_money_once(app, alice, cart):
    started = start_payment(alice, cart_id=cart.pk, opening=app)
    apply_status(started.attempt.pk, completed(), "webhook")
    apply_status(started.attempt.pk, completed(), "worker")
    assert started.payment.ledger.count() == 1


def test_an_expired_link_of_the_former_merchant_is_settled_before_a_token_of_the_new_one(
    settings, alice, cart, phonepe
):
    settings.PHONEPE_API_VERSION = "v1"
    first = start_payment(alice, cart_id=cart.pk, opening=ON_ANDROID)
    phonepe.advance_clock(1201)
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    settings.PHONEPE_API_VERSION = "v2"

    second = start_payment(alice, cart_id=cart.pk, opening=SDK)

    first.payment.refresh_from_db()
    assert (first.payment.is_open, second.attempt.generation) == (False, "v2")
    assert payable_orders() == [second.attempt.merchant_order_id]

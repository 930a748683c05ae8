"""The settings change while a payment is open: simulation, the other generation, another merchant, another key."""

import pytest

from payment.models import Payment, WebhookEvent
from payment.states import Fulfilment, PaymentState
from simulator.models import Merchant
from tests.harness import builders
from tests.system.interleavings import real
from tests.system.interleavings.scenarios import (
    bookings,
    call_us,
    check_booking,
    click,
    ledger,
    outcome,
    two_seconds_pass,
    work,
)

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)
OPEN = (PaymentState.PENDING, Fulfilment.NONE)


@pytest.fixture
def sandbox(db, settings):
    """No simulation: V1, merchant M2OURS, PhonePe at its documented address."""
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = "v1"
    use(settings, **real.credentials())
    real.open_account()
    with real.phonepe_answers() as mock:
        yield mock


@pytest.fixture
def opened(sandbox, phone, cart):
    answer = click(phone, cart)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["simulated"] is False
    return Payment.objects.get()


def use(settings, **names):
    for name, value in names.items():
        setattr(settings, f"PHONEPE_{name.upper()}", value)


def order(payment):
    return payment.attempts.get().merchant_order_id


def asked(mock):
    return [call.request.url for call in mock.calls if "/status/" in call.request.url]


def test_simulation_switched_on_asks_phonepe_itself_about_real_money(
    sandbox, opened, phone, phonepe, settings
):
    settings.PHONEPE_SIMULATION_MODE = True
    real.pay(order(opened))

    assert call_us(phonepe.webhooks[-1]) == 200

    assert outcome(opened) == PAID
    assert asked(sandbox) == [f"{real.SANDBOX}/pg/v1/status/M2OURS/{order(opened)}"]
    assert opened.ledger.get().simulated is False
    assert ledger() == [("RECEIPT", 110_000)]


def test_simulated_money_is_parked_while_simulation_is_off_and_found_when_it_is_on_again(
    generation, phone, cart, phonepe, settings
):
    click(phone, cart)
    payment = Payment.objects.get()
    phonepe.decide(phonepe.order_ids[0])
    settings.PHONEPE_SIMULATION_MODE = False

    assert call_us(phonepe.webhooks[-1]) == 401
    work("attempts")
    assert check_booking(phone, payment)["payment_status"] == "PENDING"
    assert outcome(payment) == OPEN

    settings.PHONEPE_SIMULATION_MODE = True
    work("attempts")
    assert outcome(payment) == PAID
    assert payment.ledger.get().simulated is True


@pytest.mark.parametrize("asker", ["webhook", "worker", "customer"])
def test_v2_switched_on_with_a_v1_payment_open_still_asks_in_v1(
    sandbox, opened, phone, phonepe, settings, asker
):
    use(settings, api_version="v2", client_id="SU-NEW", client_secret="a-secret")
    real.pay(order(opened))

    if asker == "webhook":
        assert call_us(phonepe.webhooks[-1]) == 200
    elif asker == "worker":
        work("attempts")
    else:
        assert check_booking(phone, opened)["booking_created"]

    assert outcome(opened) == PAID
    assert all("/pg/v1/status/" in url for url in asked(sandbox))


def test_another_merchant_never_asks_about_the_money_of_the_former_one(
    sandbox, opened, phone, phonepe, settings
):
    """Without the former credentials the payment waits; with them in PHONEPE_PREVIOUS it is found."""
    use(settings, **real.credentials("M2OTHER"))
    real.open_account("M2OTHER")
    real.pay(order(opened))

    work("attempts")
    assert check_booking(phone, opened)["payment_status"] == "PENDING"
    assert outcome(opened) == OPEN
    assert asked(sandbox) == []

    settings.PHONEPE_PREVIOUS = [real.credentials()]
    assert call_us(phonepe.webhooks[-1]) == 200
    assert outcome(opened) == PAID
    assert bookings() == 1
    assert asked(sandbox) == [f"{real.SANDBOX}/pg/v1/status/M2OURS/{order(opened)}"]


def test_after_a_change_of_merchant_the_next_order_is_opened_at_the_new_one(
    sandbox, opened, phone, phonepe, settings, alice, package
):
    real.pay(order(opened))
    settings.PHONEPE_PREVIOUS = [real.credentials()]
    use(settings, **real.credentials("M2OTHER"))
    real.open_account("M2OTHER")
    call_us(phonepe.webhooks[-1])

    slot = builders.make_slot(package.puja_service, days=6)
    again = click(phone, builders.make_cart(alice, package, slot.starts_at))

    payment = Payment.objects.get(pk=again.json()["payment_id"])
    assert payment.attempts.get().merchant == "M2OTHER"
    real.pay(order(payment))
    assert call_us(phonepe.webhooks[-1]) == 200
    assert outcome(payment) == PAID


def test_a_lost_page_is_followed_by_an_order_at_the_merchant_of_today(
    sandbox, opened, phone, cart, phonepe, settings
):
    """Its two orders then stand at two merchants, and each is asked about where it was opened."""
    settings.PHONEPE_PREVIOUS = [real.credentials()]
    use(settings, **real.credentials("M2OTHER"))
    real.open_account("M2OTHER")
    opened.attempts.update(page_url="", call_lease_until=None)

    assert click(phone, cart).status_code == 200

    first, second = opened.attempts.order_by("number")
    assert (first.merchant, second.merchant) == ("M2OURS", "M2OTHER")
    for attempt in (second, first):
        real.pay(attempt.merchant_order_id)
        assert call_us(phonepe.webhooks[-1]) == 200
    assert outcome(opened) == PAID
    assert ledger() == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    assert opened.refunds.get().attempt == first


@pytest.mark.parametrize("old_key_is_kept", [True, False])
def test_a_salt_changed_between_paying_and_coming_back_costs_a_webhook_at_most(
    sandbox, opened, phone, phonepe, settings, old_key_is_kept
):
    """The callback was signed under the old salt; PhonePe answers questions under the new one only."""
    real.pay(order(opened))
    signed_before = phonepe.webhooks[-1]
    Merchant.objects.filter(merchant_id="M2OURS").update(**real.credentials(salt_index=2))
    use(settings, **real.credentials(salt_index=2))
    settings.PHONEPE_PREVIOUS = [real.credentials()] if old_key_is_kept else []

    assert call_us(signed_before) == (200 if old_key_is_kept else 401)
    assert WebhookEvent.objects.exists() is old_key_is_kept
    two_seconds_pass()

    assert check_booking(phone, opened)["booking_created"]
    assert outcome(opened) == PAID


def test_a_salt_changed_here_before_it_is_changed_there_delays_and_decides_nothing(
    sandbox, opened, phone, phonepe, settings
):
    use(settings, **real.credentials(salt_index=2))
    real.pay(order(opened))
    work("attempts")
    assert check_booking(phone, opened)["payment_status"] == "PENDING"
    assert outcome(opened) == OPEN

    Merchant.objects.filter(merchant_id="M2OURS").update(**real.credentials(salt_index=2))
    work("attempts")
    assert outcome(opened) == PAID


def test_when_no_money_is_taken_any_more_what_was_begun_is_asked_about_settled_and_refunded(
    api, staff, phone, cart, phonepe, settings, package
):
    click(phone, cart)
    payment = Payment.objects.get()
    settings.PAYMENT_ENABLED = False
    other = builders.make_user()

    refused = click(api(other), builders.make_cart(other, package))
    assert (refused.status_code, refused.json()["code"]) == (503, "payments_disabled")

    phonepe.decide(order(payment))
    work()
    assert outcome(payment) == PAID

    asked_for = api(staff).post(f"/api/payments/payments/{payment.pk}/refund/", {"reason": "closed"})
    assert asked_for.status_code == 201
    work("refunds")
    phonepe.advance_clock(10)
    work("refunds")
    assert ledger() == [("RECEIPT", 110_000), ("REFUND", -110_000)]
    assert api(staff).get(f"/api/payments/payments/{payment.pk}/timeline/").json()["status"] == "REFUNDED"

"""A buyer disputes at their bank what they have paid: PhonePe tells the shop so, over the wire and signed."""

import time

import pytest

from tests.harness.customers import arrive, pay
from tests.harness.installation import start_installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.proof]

DISPUTE = "DISPUTE-OF-THE-FLOW"
AN_HOUR_AGO_MS = (int(time.time()) - 3_600) * 1_000  # what PhonePe tells has happened


@pytest.fixture(scope="module")
def shop():
    with start_installation("v2", workers=1, STAFF_EMAILS="staff@example.com") as shop:
        yield shop


@pytest.fixture
def booked(shop):
    """The order of somebody who has paid and was booked, and how many paise that took."""
    started = shop.customer().start()
    arrive(pay(started["payment_url"]))
    eventually(lambda: shop.customer().get("booking/bookings/"), "the booking is made")
    return started["merchant_transaction_id"], int(started["amount"].replace(".", ""))


def bank_says(shop, word, order, minute, scheme="hmac"):
    payload = {"disputeId": DISPUTE, "updatedAt": AN_HOUR_AGO_MS + minute * 60_000}
    told = {"event": f"payment.dispute.{word}", "about": order, "payload": payload, "scheme": scheme}
    shop.phonepe.control("webhooks/", {"merchant": "SIMMERCHANT", **told})


def taken(shop):
    rows = shop.query("SELECT amount_paise FROM payment_ledgerentry WHERE kind = 'CHARGEBACK' ORDER BY id")
    return [paise for (paise,) in rows]


def alerts(shop):
    return shop.query("SELECT id FROM notifications_notification WHERE kind = 'alert'")


def test_what_the_bank_takes_and_brings_back_is_in_the_books_and_staff_hear_of_each_turn(shop, booked):
    order, paise = booked
    bank_says(shop, "created", order, 1)
    eventually(lambda: len(alerts(shop)) == 1, "staff hear of the dispute")
    assert taken(shop) == []
    bank_says(shop, "lost", order, 2)
    eventually(lambda: taken(shop) == [-paise], "the accounts say that the bank has taken the money")
    bank_says(shop, "created", order, 1)  # PhonePe repeats itself, late
    bank_says(shop, "won", order, 3)
    eventually(lambda: taken(shop) == [-paise, paise], "the accounts say that it is here again")
    assert len(alerts(shop)) == 3

"""Judges every screen of a person at the moment when it is shown, by the rows of the shop's database."""

from typing import NamedTuple

from tests.harness.databases import query
from tests.integration.frontend.browser import Screen
from tests.integration.frontend.people import Person

NEWEST = """
SELECT payment_payment.state, booking_booking.book_id, booking_booking.status
FROM payment_payment
JOIN accounts_user ON accounts_user.id = payment_payment.user_id
LEFT JOIN booking_booking ON booking_booking.checkout_id = payment_payment.checkout_id
WHERE accounts_user.email = '{email}'
ORDER BY payment_payment.id DESC LIMIT 1
"""
ENDED = ("FAILED", "CANCELLED")
OPEN_OR_PAID = ("PENDING", "SUCCESS")  # the money may have come since the page asked
HEADINGS = {
    "Waiting for your payment": OPEN_OR_PAID,
    "Payment received": ("SUCCESS",),
    "Not paid": ENDED,
}


class Newest(NamedTuple):
    state: str
    book_id: str | None
    booking: str | None


def newest_payment(person: Person) -> Newest:
    (row,) = query(person.shop.database_url, NEWEST.format(email=person.email))
    return Newest(*row)


def judge(person: Person, screen: Screen) -> None:
    """Every screen speaks of the person's newest payment, or a person believes that it does."""
    newest = newest_payment(person)
    if screen.says == "confirmed":
        assert screen.book_id == newest.book_id, (screen, newest)
        assert (newest.state, newest.booking) == ("SUCCESS", "CONFIRMED"), screen
    elif screen.says == "failed":
        assert newest.state in ENDED, (screen, newest)
    elif screen.says in ("waiting", "manual", "nothing", "error"):
        assert newest.state in OPEN_OR_PAID, (screen, newest)
    elif screen.says == "our page":
        assert newest.state in HEADINGS[screen.text], (screen, newest)
    else:
        assert screen.says == "PhonePe", screen

"""The bookings of a person, with what they paid, and the ways in which pages look for one."""

import pytest
from django.utils import timezone

from booking.models import Booking, Package, PujaService, Slot
from booking.services import book
from payment.models import LedgerEntry
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders
from tests.unit.payment.builders import FAILED as PHONEPE_FAILED
from tests.unit.payment.builders import completed, make_payment

BOOKINGS = "/api/booking/bookings/"


@pytest.fixture
def booking(alice, package, slot):
    builders.make_promo()
    return book(
        builders.make_checkout(builders.make_cart(alice, package, slot.starts_at, promo_code="WELCOME10"))
    )


def test_a_booking_reads_as_it_was_bought(alice, booking, package, api):
    Package.objects.update(price_paise=5_100_000, package_type="PREMIUM", language="ENGLISH")
    PujaService.objects.update(title="Something else")
    (row,) = api(alice).get(BOOKINGS).json()
    assert set(row) == {
        *("id", "book_id", "user", "cart", "selected_date", "selected_time", "starts_at", "address"),
        *(
            "status",
            "total_amount",
            "cancellation_reason",
            "moved_because",
            "choose_until",
            "created_at",
            "updated_at",
            "payment",
            "payment_details",
        ),
    }
    assert row["cart"]["puja_service"]["title"] == "Griha Pravesh"
    assert row["cart"]["package"]["package_type"] == "BASIC"
    assert row["cart"]["promo_code"]["code"] == "WELCOME10"
    assert (row["total_amount"], row["cart"]["total_price"]) == ("990.00", "990.00")
    assert (row["selected_date"], row["selected_time"]) == (builders.in_days(3).date().isoformat(), "10:00")
    assert row["user"]["email"] == "alice@example.com"
    assert row["address"]["city"] == "Patna"
    assert api(alice).get(f"{BOOKINGS}{booking.pk}/").json() == row


def test_a_booking_is_found_by_its_number_and_as_the_latest(alice, booking, api):
    for path in (f"by-id/{booking.book_id}/", "latest/"):
        answer = api(alice).get(f"{BOOKINGS}{path}").json()
        assert (answer["success"], answer["data"]["book_id"]) == (True, booking.book_id)


def test_a_stranger_sees_no_booking_of_others(booking, charlie, api):
    client = api(charlie)
    assert client.get(BOOKINGS).json() == []
    for path in (f"{booking.pk}/", f"by-id/{booking.book_id}/", "latest/"):
        assert client.get(f"{BOOKINGS}{path}").status_code == 404
    assert api().get(BOOKINGS).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_a_booking_by_hand(alice, booking, api, method):
    wish = {"cart_id": booking.checkout.cart_id, "status": "CONFIRMED"}
    for path in ("", f"{booking.pk}/"):
        assert getattr(api(alice), method)(f"{BOOKINGS}{path}", wish).status_code == 405
    assert Booking.objects.count() == 1


def test_more_bookings_need_no_more_queries(alice, package, booking, api, django_assert_num_queries):
    Slot.objects.update(capacity=9)
    for _ in range(4):
        book(builders.make_checkout(builders.make_cart(alice, package, booking.starts_at)))
    client = api(alice)
    with django_assert_num_queries(4):  # who asks, how often, what is theirs, and what they paid for it
        client.get(BOOKINGS)


# --- What was paid ------------------------------------------------------------------------------


@pytest.fixture
def paid(alice, cart):
    """A payment that became a booking."""
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    payment.refresh_from_db()
    return payment


def test_a_booking_says_what_was_paid_in_both_of_the_ways_that_pages_read(api, alice, paid):
    (row,) = api(alice).get(BOOKINGS).json()

    assert row["payment"] == row["payment_details"]
    assert row["payment"] == {
        "payment_id": paid.pk,
        "transaction_id": paid.reference,
        "payment_method": "PhonePe",
        "status": "SUCCESS",
        "payment_date": row["payment"]["payment_date"],
        "amount": "1100.00",
    }
    assert row["payment"]["payment_date"].endswith("+05:30")
    book_id, cart_id = row["book_id"], row["cart"]["cart_id"]
    for path in (f"by-id/{book_id}/", "latest/"):
        assert api(alice).get(BOOKINGS + path).json() == {"success": True, "data": row}
    assert api(alice).get(f"{BOOKINGS}by-cart/{cart_id}/").json() == row
    assert api(alice).get(f"/api/payments/payments/{paid.pk}/check-booking/").json()["booking"] == row


def test_a_booking_that_nobody_paid_for_here_has_no_payment(api, alice, booking):
    (row,) = api(alice).get(BOOKINGS).json()
    assert (row["payment"], row["payment_details"]) == (None, None)


def test_the_payment_of_a_cancelled_booking_says_that_it_went_back(api, alice, paid):
    cancelled = api(alice).post(
        f"{BOOKINGS}{paid.booking.pk}/status/", {"status": "CANCELLED", "cancellation_reason": "travelling"}
    )

    assert cancelled.json()["booking"]["status"] == "CANCELLED"
    assert (
        cancelled.json()["booking"]["payment"]["status"] == "SUCCESS"
    )  # it is refunded, but has not gone back yet
    LedgerEntry.objects.create(
        payment=paid,
        attempt=paid.attempts.get(),
        kind=LedgerEntry.Kind.REFUND,
        amount_paise=-110_000,
        reference="R1",
        simulated=True,
    )
    assert api(alice).get(BOOKINGS).json()[0]["payment"]["status"] == "REFUNDED"


# --- Which booking a page finds -----------------------------------------------------------------


def references(payment):
    """All that an address of a page may name a payment's booking by."""
    order = payment.attempts.latest("number").merchant_order_id
    return [payment.booking.book_id, f"{payment.booking.book_id}/", order, str(payment.pk)]


def test_a_booking_is_found_by_whatever_the_address_of_the_page_has(api, alice, paid):
    found = [api(alice).get(f"{BOOKINGS}by-id/{ref}/") for ref in references(paid)]

    assert [answer.status_code for answer in found] == [200] * 4
    assert {answer.json()["data"]["book_id"] for answer in found} == {paid.booking.book_id}


def test_a_booking_is_found_by_an_earlier_order_of_its_cart(api, alice, cart):
    failed = make_payment(builders.make_checkout(cart))
    apply_status(failed.attempts.get().pk, PHONEPE_FAILED, "worker")
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, completed(), "worker")
    again.refresh_from_db()

    for ref in (failed.attempts.get().merchant_order_id, failed.pk):
        found = api(alice).get(f"{BOOKINGS}by-id/{ref}/").json()
        assert found["data"]["book_id"] == again.booking.book_id


def test_nobody_finds_a_booking_of_others(api, charlie, paid):
    cart_id = paid.checkout.cart.cart_id
    paths = [*(f"by-id/{ref}/" for ref in references(paid)), f"by-cart/{cart_id}/", "latest/"]
    assert [api(charlie).get(BOOKINGS + path).status_code for path in paths] == [404] * 6
    assert [api().get(BOOKINGS + path).status_code for path in paths] == [401] * 6


@pytest.mark.parametrize(
    "ref",
    ["BK-00000000", "0", "9" * 18, "9" * 19, "OKP" + "0" * 24, "x" * 64, "x" * 65, "NaN", "undefined", "%00"],
)
def test_a_reference_of_nothing_is_not_found(api, alice, paid, ref):
    answer = api(alice).get(f"{BOOKINGS}by-id/{ref}/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")


@pytest.mark.parametrize(
    "cart_id", ["00000000-0000-4000-8000-000000000000", "1", "undefined", "null", "x" * 36]
)
def test_no_cart_is_answered_by_a_body_that_reads_as_a_booking(api, alice, paid, cart_id):
    assert api(alice).get(f"{BOOKINGS}by-cart/{cart_id}/").status_code == 404


def test_a_cart_that_is_not_booked_yet_is_not_found(api, alice, cart):
    payment = make_payment(builders.make_checkout(cart))

    paths = (f"by-cart/{cart.cart_id}/", f"by-id/{payment.pk}/", "latest/")
    assert [api(alice).get(BOOKINGS + path).status_code for path in paths] == [404] * 3


def test_a_cancelled_booking_is_found_by_its_own_number_only(api, alice, paid):
    cancel_booking(paid.booking, "travelling")
    own, slashed, order, number = references(paid)

    assert api(alice).get(f"{BOOKINGS}by-id/{own}/").json()["data"]["status"] == "CANCELLED"
    assert api(alice).get(f"{BOOKINGS}by-id/{slashed}/").status_code == 200
    others = (f"by-id/{order}/", f"by-id/{number}/", f"by-cart/{paid.checkout.cart.cart_id}/", "latest/")
    assert [api(alice).get(BOOKINGS + path).status_code for path in others] == [404] * 4
    assert_nothing_stands(api(alice), paid, "This booking is cancelled.")


CHECKS = ("check-and-create-booking/", "create-booking/", "check-and-process/", "check-booking/")


def assert_nothing_stands(client, payment, sentence):
    """For the pages of July 2025, which show whatever booking they get as confirmed."""
    for name in CHECKS:
        ask = client.get if name == "check-booking/" else client.post
        said = ask(f"/api/payments/payments/{payment.pk}/{name}").json()
        assert (said["success"], said["booking_created"], said["message"]) == (True, False, sentence)
        assert "booking" not in said


def test_a_booking_whose_time_was_called_off_is_not_shown_as_confirmed(api, alice, paid):
    Booking.objects.update(choose_until=timezone.now())
    own, _, order, number = references(paid)

    assert api(alice).get(f"{BOOKINGS}by-id/{own}/").json()["data"]["status"] == "PENDING"
    others = (f"by-id/{order}/", f"by-id/{number}/", f"by-cart/{paid.checkout.cart.cart_id}/", "latest/")
    assert [api(alice).get(BOOKINGS + path).status_code for path in others] == [404] * 4
    sentence = (
        "The temple had to call off your time. Please choose another one, or get all of your money back."
    )
    assert_nothing_stands(api(alice), paid, sentence)


@pytest.mark.parametrize("ends", ["open", "failed", "paid"])
def test_the_latest_booking_is_none_while_the_newest_payment_has_not_become_it(
    api, alice, package, slot, paid, ends
):
    """A page shows whatever it gets as the booking of this payment."""
    newer = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    if ends != "open":
        answer = PHONEPE_FAILED if ends == "failed" else completed()
        apply_status(newer.attempts.get().pk, answer, "worker")

    answer = api(alice).get(f"{BOOKINGS}latest/")

    if ends == "paid":
        newer.refresh_from_db()
        assert answer.json()["data"]["book_id"] == newer.booking.book_id != paid.booking.book_id
    else:
        assert answer.status_code == 404


def test_a_donation_does_not_show_an_older_booking_as_its_own(api, alice, paid):
    """Its page is told SUCCESS, finds no booking of it, and asks for the latest one."""
    donation = make_payment(user=alice)
    assert api(alice).get(f"{BOOKINGS}latest/").status_code == 404
    apply_status(donation.attempts.get().pk, completed(10_000), "worker")
    assert api(alice).get(f"{BOOKINGS}latest/").status_code == 404


def pay_for_another_cart(alice, package, slot):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return payment


def test_an_older_payment_that_is_open_hides_the_latest_booking(api, alice, package, slot, cart):
    Slot.objects.update(capacity=9)
    make_payment(builders.make_checkout(cart))
    pay_for_another_cart(alice, package, slot)
    assert api(alice).get(f"{BOOKINGS}latest/").status_code == 404


def test_an_older_booking_that_was_called_off_hides_the_latest_booking(api, alice, package, slot, paid):
    Slot.objects.update(capacity=9)
    Booking.objects.update(choose_until=timezone.now())
    pay_for_another_cart(alice, package, slot)
    assert api(alice).get(f"{BOOKINGS}latest/").status_code == 404


def test_an_open_payment_of_somebody_else_hides_nothing(api, charlie, package, slot, paid, alice):
    make_payment(builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at)))
    assert api(alice).get(f"{BOOKINGS}latest/").status_code == 200


def test_the_latest_booking_is_that_of_the_cart_whichever_of_its_payments_became_it(api, alice, cart):
    first = make_payment(builders.make_checkout(cart))
    apply_status(first.attempts.get().pk, PHONEPE_FAILED, "worker")
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, PHONEPE_FAILED, "worker")
    apply_status(first.attempts.get().pk, completed(), "worker")
    first.refresh_from_db()

    answer = api(alice).get(f"{BOOKINGS}latest/")
    assert answer.json()["data"]["book_id"] == first.booking.book_id


@pytest.mark.parametrize("path", ["by-id/{book_id}/", "by-id/{order}/", "by-cart/{cart_id}/", "latest/"])
def test_looking_for_a_booking_costs_the_same_however_many_there_are(
    api, alice, package, paid, path, django_assert_num_queries
):
    client = api(alice)
    Slot.objects.update(capacity=9)

    def look(payment):
        ids = {"book_id": payment.booking.book_id, "cart_id": payment.checkout.cart.cart_id}
        found = path.format(order=payment.attempts.get().merchant_order_id, **ids)
        with django_assert_num_queries(5 if path == "latest/" else 4):
            assert client.get(BOOKINGS + found).status_code == 200

    look(paid)
    for _ in range(3):
        cart = builders.make_cart(alice, package, paid.booking.starts_at)
        newest = make_payment(builders.make_checkout(cart))
        apply_status(newest.attempts.get().pk, completed(), "worker")
    newest.refresh_from_db()
    look(newest)

"""One box finds a case or a person by whatever somebody names, once, by an index, and by right."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from booking.models import Booking
from payment.models import Payment, PaymentAttempt, Receipt, Refund
from payment.services.receipts import number_receipt
from payment.services.refunds.requests import create_refund
from tests.harness import builders
from tests.unit.backoffice.sold import book
from tests.unit.payment.builders import make_payment

pytestmark = pytest.mark.django_db
PAGE = "/admin/desk/search/"
GROWING = re.compile(r"SCAN (?:payment_|booking_|accounts_)\w+(?! USING| AS)")


@pytest.fixture
def sold(alice, charlie, package):
    """A booking with every number that somebody may name, a donation of a guest, and people around them."""
    booking = book(alice, package, timezone.now())
    payment = booking.checkout.payment
    attempt = payment.attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(
        provider_order_id="OMO2403", provider_transaction_id="T2403282", utr="412345678901"
    )
    refund = create_refund(attempt, 10_000, "a gesture", asked_by=None)
    Refund.objects.filter(pk=refund.pk).update(utr="ARN77", provider_refund_id="OMR2403")
    receipt = number_receipt(Receipt.objects.get(payment=payment).pk)
    donation = make_payment(payer_reference="guest@example.com", payer_mobile="9811112222")
    builders.make_user("other@example.com", first_name="Alina", last_name="Roy", phone="9876599999")
    return {
        "booking": booking.book_id,
        "reference": payment.reference,
        "order": attempt.merchant_order_id,
        "PhonePe's order": "OMO2403",
        "transaction": "T2403282",
        "UTR": "412345678901",
        "refund": refund.merchant_refund_id,
        "PhonePe's refund": "OMR2403",
        "UTR of the refund": "ARN77",
        "receipt": str(receipt),
        "guest": donation.reference,
    }


def hits(client, text: str) -> list[str]:
    """The titles of what is found; of a single hit, which is opened at once, the address."""
    answer = client.get(PAGE, {"q": text})
    return [answer.url] if answer.status_code == 302 else [hit.title for hit in answer.context["hits"]]


@pytest.mark.parametrize(
    "by",
    [
        *("booking", "reference", "order", "PhonePe's order", "transaction", "UTR"),
        *("refund", "PhonePe's refund", "UTR of the refund", "receipt"),
    ],
)
@pytest.mark.parametrize("spelled", [str, str.lower, "  {}  ".format])
def test_a_number_leads_to_its_booking(desk, sold, by, spelled):
    if by == "order" and spelled is str.lower and sold[by] != sold[by].upper():
        pytest.skip("ids of orders have small letters, too")
    found = hits(desk("Support"), spelled(sold[by]))
    assert found == [f"/admin/desk/case/{Booking.objects.get().book_id}/"]


@pytest.mark.parametrize(
    "text", ["guest@example.com", "Guest@Example.com", "+91 98111 12222", "2222", "{guest}"]
)
def test_a_donation_is_found_by_its_number_and_its_guest(desk, sold, text):
    donation = Payment.objects.get(checkout=None)
    assert hits(desk("Support"), text.format(guest=sold["guest"])) == [
        f"/admin/desk/case/{donation.reference}/"
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("9876500001", "+91 98765 00001", "098765-00001", "91 9876500001", "0001", "०९८७६५००००१"),
        *(
            "alice@example.com",
            "ALICE@example.com",
            "Alice",
            "alice devi",
            "Devi",
            "devi alice",
            "ALI DEV",
            "alic",
        ),
    ],
)
def test_a_person_is_found_by_phone_mail_and_name(desk, sold, alice, text):
    if text == "ALI DEV":
        assert hits(desk("Support"), text) == []  # the first of two words is whole
        return
    assert hits(desk("Support"), text) == [f"/admin/desk/people/{alice.pk}/"]


def test_several_people_are_listed_newest_first(desk, sold):
    assert hits(desk("Support"), "ali") == ["Alina Roy", "Alice Devi"]


@pytest.mark.parametrize(
    "text", ["", " ", "x", "nobody", "BK-ZZZZZZZZ", "%", "a%", "_lice", "\x00ab", "1" * 500]
)
def test_what_is_nowhere_is_not_found(desk, sold, text):
    assert hits(desk("Support"), text) == []


def test_a_role_finds_what_it_may_see(desk, sold, alice):
    assert hits(desk("Coordinator"), "alice@example.com") == []
    assert hits(desk("Coordinator"), sold["guest"]) == []
    assert len(hits(desk("Coordinator"), sold["UTR"])) == 1
    assert hits(desk("Priest"), sold["UTR"]) == []


def test_the_palette_finds_the_same_and_pages_and_keeps_nothing(desk, sold, alice):
    client = desk("Support")
    by_phone = client.get("/admin/search/", {"s": "0001", "extended": "1"}).content.decode()
    page = client.get("/admin/search/", {"s": "toda", "extended": "1"}).content.decode()

    assert f"/admin/desk/people/{alice.pk}/" in by_phone
    assert 'href="/admin/desk/"' in page
    with CaptureQueriesContext(connection) as captured:
        client.get("/admin/search/", {"s": "0001", "extended": "1"})
    assert not [each for each in captured if "INSERT" in each["sql"] and "cache" in each["sql"]]


@pytest.mark.parametrize(
    "text", ["0001", "ali", "alice devi", "BK-ZZZZZZZZ", "OKP/26-27/000001", "a@example.com"]
)
def test_a_search_takes_as_many_statements_whatever_is_found(desk, sold, text, django_assert_max_num_queries):
    for number in range(30):
        builders.make_user(first_name="Alisha", phone=f"98{number:04}0001"[:10])
    client = desk("Support")
    client.get(PAGE, {"q": text})
    with django_assert_max_num_queries(14):
        client.get(PAGE, {"q": text})


@pytest.mark.only_sqlite  # PostgreSQL's plans are tried in tests/integration/test_desk_growth.py
@pytest.mark.parametrize(
    "text", ["0001", "ali", "alice devi", "BK-ZZZZZZZZ", "OKP/26-27/000001", "a@example.com", "9876500001"]
)
def test_a_search_reads_no_table_whole_on_sqlite(desk, sold, text):
    client = desk("Support")
    with CaptureQueriesContext(connection) as captured:
        client.get(PAGE, {"q": text})
    statements = [each["sql"] for each in captured if each["sql"].startswith("SELECT")]
    whole = {}
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = [row[3] for row in cursor.fetchall()]
            if scans := [step for step in plan if GROWING.search(step)]:
                whole[statement] = scans

    assert whole == {}

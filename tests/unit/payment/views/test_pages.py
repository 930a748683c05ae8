"""What the browser of somebody who pays sees of us."""

import pytest
from django.test import Client

from core.dates import spell_moment
from payment.models import Payment
from payment.services.checkout import start_donation, start_payment
from payment.services.links import return_url, status_url
from payment.services.outcomes import apply_status
from tests.unit.payment.builders import FAILED, completed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def payment(alice, cart):
    return start_payment(alice, cart_id=cart.pk).payment


@pytest.fixture
def donation():
    return start_donation(None, amount_paise=10_000).payment


def back(payment: Payment, method: str = "get"):
    return getattr(Client(), method)(return_url(payment).removeprefix("http://testserver"))


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_payer_comes_back_to_their_booking(payment, phonepe, method):
    phonepe.decide(payment.attempts.get().merchant_order_id)

    answer = back(payment, method)

    assert answer.status_code == 303
    assert answer.url.startswith(
        f"http://frontend.example/confirmbooking?payment_id={payment.pk}&booking_id=BK-"
    )
    payment.refresh_from_db()
    assert payment.fulfilment == "BOOKED"


def test_who_failed_lands_on_the_failure_page(payment):
    apply_status(payment.attempts.get().pk, FAILED, "worker")

    where = f"http://frontend.example/failedbooking?code=PAYMENT_FAILED&bookingId={payment.reference}&"
    assert back(payment).url.startswith(where)


def test_who_comes_back_after_paying_too_late_lands_on_their_booking(generation, payment, phonepe):
    order = payment.attempts.get().merchant_order_id
    phonepe.decide(order, "expire")
    assert "/failedbooking?" in back(payment).url

    Payment.objects.update(asked_at=None)  # two seconds pass
    phonepe.decide(order, "late_success")

    assert back(payment).url.startswith(f"http://frontend.example/confirmbooking?payment_id={payment.pk}&")


def test_a_silent_phonepe_does_not_keep_the_payer_waiting(payment, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)

    assert back(payment).status_code == 303


def test_a_guest_comes_back_to_our_own_page(donation, phonepe):
    phonepe.decide(donation.attempts.get().merchant_order_id)

    answer = Client().get(return_url(donation).removeprefix("http://testserver"), follow=True)

    page = answer.content.decode()
    assert "Payment received" in page
    assert "₹100.00" in page
    assert "Simulation" in page


def test_without_a_frontend_the_status_page_shows_the_booking(payment, phonepe, settings):
    settings.FRONTEND_BASE_URL = ""
    phonepe.decide(payment.attempts.get().merchant_order_id)

    page = Client().get(return_url(payment).removeprefix("http://testserver"), follow=True).content.decode()

    assert payment.checkout.booking.book_id in page


@pytest.mark.parametrize("path", ["/api/payments/return/{}/", "/pay/{}/"])
@pytest.mark.parametrize("token", ["1", "MQ:1abcde:" + "x" * 43, "../1", "%00"])
def test_forged_links_lead_nowhere(payment, path, token):
    assert Client().get(path.format(token)).status_code == 404


def test_a_link_that_leads_nowhere_says_so_on_a_page(payment):
    page = Client().get("/pay/forged/")
    assert page.status_code == 404
    assert "This link does not work" in page.content.decode()


@pytest.mark.parametrize("fails", [False, True])
def test_who_has_not_paid_reads_what_for_and_when(payment, fails):
    if fails:
        apply_status(payment.attempts.get().pk, FAILED, "worker")
    page = Client().get(status_url(payment).removeprefix("http://testserver")).content.decode()

    assert payment.checkout.puja_title in page
    assert spell_moment(payment.checkout.starts_at) in page


def test_a_payer_without_cookies_can_go_and_pay(donation):
    browser = Client(enforce_csrf_checks=True)
    assert browser.post(status_url(donation).removeprefix("http://testserver")).status_code == 303


def test_a_return_link_opens_no_status_page(payment):
    token = return_url(payment).rstrip("/").rpartition("/")[2]

    assert Client().get(f"/pay/{token}/").status_code == 404


def test_the_status_page_leads_back_to_the_payment_page(donation):
    page = Client().post(status_url(donation).removeprefix("http://testserver"))

    assert page.status_code == 303
    assert page.url == donation.attempts.get().page_url


def test_a_decided_payment_is_not_opened_again(donation):
    apply_status(donation.attempts.get().pk, completed(10_000), "worker")

    page = Client().post(status_url(donation).removeprefix("http://testserver"))

    assert page.status_code == 409
    assert "paid already" in page.content.decode()


def test_every_page_says_where_the_browser_came_from(donation):
    """PhonePe blocks orders that are opened without a referrer."""
    page = Client().get(status_url(donation).removeprefix("http://testserver"))

    assert page.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_no_page_is_kept_by_a_cache(donation, payment):
    for url in (status_url(donation), return_url(payment)):
        assert "no-store" in Client().get(url.removeprefix("http://testserver")).headers["Cache-Control"]


def test_nothing_personal_stands_behind_the_return_link(payment):
    answer = back(payment)

    assert "alice" not in answer.url
    assert "9876500001" not in answer.url

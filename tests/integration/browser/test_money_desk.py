"""Money on the desk in clicks, in a real browser: a booking on the phone, the month's GST, cash, a settlement file."""

from uuid import uuid4

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from payment.models import LedgerEntry, ManualEntry, PayLink
from payment.services.by_hand import ManualPayment, book_by_hand
from payment.services.donations import Donor, build_donation
from payment.services.outcomes import apply_status
from payment.services.pay_links import make_pay_link
from payment.services.refunds.requests import request_refund
from tests.harness import builders
from tests.integration.browser.conftest import SIZES
from tests.integration.browser.looks import assert_nothing_serious
from tests.integration.browser.test_cases import at_desk as at_desk
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.services.test_credit_notes import refunded
from worker.jobs import run_due

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def look(tmp_path):
    def at(staff, name):
        assert_nothing_serious(staff.page)
        staff.page.screenshot(path=tmp_path / f"{name}.png", full_page=True)

    return at


@pytest.mark.parametrize("size", SIZES)
def test_a_booking_on_the_phone_with_its_link_takes_four_clicks(package, slot, at_desk, look, size, alice):
    staff = at_desk("Support", size)
    staff.open("/admin/desk/phone/")
    look(staff, f"phone-who-{size}")
    staff.page.get_by_label("Phone").fill("9876500001")  # known: no mail address is asked for
    staff.clicks += 1
    staff.page.get_by_label("Puja and package").select_option(str(package.pk))
    staff.click("button", "Choose the time")
    look(staff, f"phone-when-{size}")
    staff.page.get_by_label("Address").fill("12 Assi Ghat")
    staff.page.get_by_label("City").fill("Varanasi")
    staff.page.get_by_label("State").fill("Uttar Pradesh")
    staff.page.get_by_label("PIN code").fill("221005")
    staff.clicks += 1
    staff.page.get_by_role("radio").first.check()
    staff.click("button", "Make the booking")
    staff.sees("Send by WhatsApp")
    look(staff, f"phone-link-{size}")
    link = staff.page.locator("[data-copies]")
    staff.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    staff.page.get_by_role("button", name="Copy").click()
    expect(staff.page.get_by_role("button", name="Copied")).to_be_visible()
    assert staff.page.evaluate("navigator.clipboard.readText()") == link.text_content()

    assert staff.clicks == 4  # with the sidebar and WhatsApp six, of eight
    assert PayLink.objects.get().checkout.user == alice


@pytest.mark.parametrize("size", SIZES)
def test_the_months_gst_is_one_click_from_the_page_of_exports(at_desk, look, size):
    staff = at_desk("Accountant", size)
    staff.open("/admin/desk/exports/")
    look(staff, f"exports-{size}")
    with staff.page.expect_download() as download:
        staff.click("button", "XLSX GST summary")

    assert download.value.suggested_filename.startswith("gst-")
    assert staff.clicks == 1


@pytest.mark.proof
@pytest.mark.parametrize("size", SIZES)
def test_cash_reports_and_refunds_by_hand_can_be_read_by_everybody(package, slot, at_desk, look, size, alice):
    cashier, start = builders.make_superuser(), timezone.localtime(slot.starts_at)
    choice = {"puja_service": package.puja_service_id, "package_id": package.pk}
    choice |= {"selected_date": start.date(), "selected_time": start.time()}
    booking = book_by_hand(alice, choice, ManualPayment(ManualEntry.Means.CASH, "7", cashier, uuid4()))
    request_refund(booking.checkout.payment.pk, 30_000, "a gesture", cashier)
    staff = at_desk("Owner", size)
    today = timezone.localdate()
    for name, path in {
        "cash": "/admin/desk/money/cash/",
        "back": "/admin/desk/money/back/",
        "reports": f"/admin/desk/reports/?first={today}&last={today}&by=puja",
        "settlements": "/admin/desk/settlements/",
    }.items():
        staff.open(path)
        look(staff, f"{name}-{size}")
    assert LedgerEntry.objects.count() == 1


@pytest.mark.proof
@pytest.mark.parametrize("size", SIZES)
def test_receipts_notes_and_donors_can_be_read_by_everybody(
    cart, slot, package, at_desk, look, size, charlie
):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    refunded(payment, 30_000)
    gift = make_payment(amount_paise=50_100, payer_reference="Asha Devi", simulated=True)
    donor = Donor(email="asha@example.com", purpose="Annadan", pan="ABCPE1234F")
    build_donation(gift, donor).save(force_insert=True)
    apply_status(gift.attempts.get().pk, completed(50_100), "worker")
    run_due(["receipts", "credit_notes"])
    start = timezone.localtime(slot.starts_at)
    choice = {"puja_service": package.puja_service_id, "package_id": package.pk}
    choice |= {"selected_date": start.date(), "selected_time": start.time()}
    link = make_pay_link(charlie, choice, by=builders.make_superuser(), key=uuid4())

    staff = at_desk("Owner", size)
    staff.open("/admin/desk/papers/")
    staff.sees("Number of the paper")
    look(staff, f"receipts-{size}")
    staff.open("/admin/desk/papers/?kind=credit-notes")
    staff.sees("Corrects receipt")
    look(staff, f"credit-notes-{size}")
    staff.open("/admin/desk/donations/")
    staff.sees("XXXXX1234X")
    look(staff, f"donations-{size}")
    with staff.page.expect_download() as download:
        staff.click("button", "XLSX Form 10BD")
    assert download.value.suggested_filename.startswith("form-10bd-")
    staff.open(f"/admin/desk/phone/links/{link.pk}/")
    look(staff, f"link-at-the-counter-{size}")
    staff.page.get_by_role("radio").first.check()
    staff.click("button", "₹1,100.00 is here: book")
    staff.sees("Booked:")
    assert LedgerEntry.objects.filter(kind="CASH").count() == 1

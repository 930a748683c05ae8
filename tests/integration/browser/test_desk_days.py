"""The pages that staff have open all day: readable by everybody on a phone and a desktop, and found by keyboard."""

import re
from datetime import date, timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from payment.models import Payment
from tests.harness import builders
from tests.integration.browser.conftest import SIZES
from tests.integration.browser.looks import assert_nothing_serious
from tests.integration.browser.test_cases import at_desk  # noqa: F401 - a fixture
from tests.unit.backoffice.sold import book
from tests.unit.payment.builders import make_payment

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("size", SIZES)
def test_every_page_can_be_read(at_desk, alice, package, size):  # noqa: F811
    book(alice, package, timezone.now())
    owner = at_desk("Owner", size)
    for path in (
        *("/admin/", "/admin/desk/search/?q=none", f"/admin/desk/people/{alice.pk}/"),
        *("/admin/desk/staff/", f"/admin/desk/staff/{alice.pk}/role/", "/admin/desk/history/"),
        *("/admin/desk/second-factor/setup/", "/admin/desk/needs/undecided/", "/admin/desk/tables/"),
    ):
        owner.open(path)
        expect(owner.page.get_by_role("main")).to_be_visible()
        assert_nothing_serious(owner.page)


def test_the_agenda_of_today_is_read_without_a_click(at_desk, alice, package):  # noqa: F811
    book(alice, package, timezone.now())
    support = at_desk("Support", "phone")
    support.open("/admin/")

    support.sees("Alice Devi")
    support.sees("₹1,100.00")
    expect(support.page.get_by_role("link", name="9876500001")).to_have_attribute("href", "tel:+919876500001")
    assert support.clicks == 0


def test_who_calls_is_found_by_the_last_digits_of_their_phone(at_desk, alice, package):  # noqa: F811
    booking = book(alice, package, timezone.now())
    support = at_desk("Support")
    support.open("/admin/")
    support.page.get_by_role("searchbox", name="Search").fill("0001")
    support.click("button", "Search", exact=True)
    support.sees(booking.book_id)
    support.sees(package.puja_service.title)
    support.sees("₹1,100.00")

    assert support.clicks <= 2


def test_the_palette_opens_a_person_by_keyboard_alone(at_desk, alice, package):  # noqa: F811
    book(alice, package, timezone.now())
    support = at_desk("Support")
    support.open("/admin/desk/tables/")
    press, field = support.page.keyboard.press, support.page.locator("#search-input-command")
    opener = support.page.get_by_role("button", name=re.compile("Search apps"))
    opener.focus()
    press("Enter")
    expect(field).to_be_focused()
    press("Escape")
    expect(opener).to_be_focused()  # and not at the top of the page
    press("Control+k")
    expect(field).to_be_focused()
    support.page.keyboard.type("alice", delay=20)
    expect(support.page.locator("#command-results-list")).to_contain_text("alice@example.com")
    press("ArrowDown")
    press("Enter")

    expect(support.page).to_have_url(re.compile(rf"/admin/desk/people/{alice.pk}/$"))


def test_a_raw_table_on_a_phone_and_a_case_on_paper(at_desk, alice, package):  # noqa: F811
    """The skip link comes first on pages that are unfold's, too; paper has the case without the frame."""
    booking = book(alice, package, timezone.now())
    owner = at_desk("Owner", "phone")
    owner.open(f"/admin/payment/payment/{booking.checkout.payment.pk}/change/")
    page = owner.page
    assert_nothing_serious(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()

    owner.open(f"/admin/desk/case/{booking.book_id}/")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    for frame in ("#header-inner", "#desk-search", ".desk-skip", "#nav-sidebar", ".desk-button >> nth=0"):
        expect(page.locator(frame)).to_be_hidden()
    assert page.evaluate("getComputedStyle(desk, '::before').content") == f'"{booking.book_id}"'
    assert page.evaluate("desk.getBoundingClientRect().top") < 10  # not a line of the header above it


def test_the_times_of_december_are_one_form(at_desk, package):  # noqa: F811
    """The whole month of one puja: two weekdays, two times, one preview."""
    coordinator, today = at_desk("Coordinator"), timezone.localdate()
    first = date(today.year + (today.month == 12), 12, 1)
    days = [day for day in range(1, 32) if first.replace(day=day).isoweekday() in (1, 4)]
    coordinator.open("/admin/desk/slots/add/")
    page = coordinator.page
    page.get_by_label("Puja", exact=True).select_option(label=package.puja_service.title)
    for weekday in ("Monday", "Thursday"):
        page.get_by_label(weekday).check()
    page.get_by_label("Start times").fill("08:00, 18:30")
    page.get_by_label("From").fill(f"{first}")
    page.get_by_label("To, this day included").fill(f"{first.replace(day=31)}")
    coordinator.click("button", "Preview")
    coordinator.click("button", f"Add {2 * len(days)} times")

    expect(page.get_by_text(f"{2 * len(days)} times were added").first).to_be_visible()
    starts = [timezone.localtime(slot.starts_at) for slot in package.puja_service.slots.order_by("starts_at")]
    assert [(start.month, start.day, f"{start:%H:%M}") for start in starts] == [
        (12, day, start) for day in days for start in ("08:00", "18:30")
    ]
    assert coordinator.clicks == 2  # beside the weekdays


def test_stuck_money_is_one_click_from_today(at_desk, alice, package):  # noqa: F811
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package)))
    Payment.objects.filter(pk=payment.pk).update(created_at=timezone.now() - timedelta(hours=2))
    support = at_desk("Support")
    support.open("/admin/")
    support.click("link", "Payments undecided for over an hour")
    support.click("link", payment.reference)

    support.sees("Not decided yet")
    assert support.clicks == 2

"""What staff do with a case, in clicks, in a real browser: counted, looked at, and readable by everybody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from booking.models import Booking, Slot
from payment.models import ClosureItem, Refund
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import request_refund
from tests.harness import builders
from tests.integration.browser.conftest import SIZES
from tests.integration.browser.looks import assert_nothing_serious
from tests.unit.payment.builders import completed, make_payment

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.django_db(transaction=True)]


class Staff:
    """Somebody at the desk. Typing is no click; each click is counted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url, self.clicks = page, url, 0
        self.troubles: list[str] = []
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)

    @contextmanager
    def forgiving(self, status: str) -> Iterator[None]:
        """The browser says in its console that an answer had this status, which is meant to be."""
        yield
        self.troubles[:] = [each for each in self.troubles if f"status of {status}" not in each]

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def click(self, role: Any, name: str, *, exact: bool = False) -> None:
        self.clicks += 1
        self.page.get_by_role(role, name=name, exact=exact).first.click()

    def write_reason(self, reason: str = "The river has risen.") -> None:
        self.page.get_by_label("Reason").fill(reason)

    def sees(self, text: str, within: float | None = None) -> None:
        """`within`: seconds, where more has to be done first than one page takes."""
        timeout = None if within is None else within * 1000
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=timeout)


@pytest.fixture
def at_desk(chromium, live_server, request):
    contexts, people = [], []

    def log_in(role: str, size: str = "desktop") -> Staff:
        client = Client()
        client.force_login(builders.make_staff(role))
        context = chromium.new_context(viewport=SIZES[size], locale="en-IN", timezone_id="Asia/Kolkata")
        cookie = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        contexts.append(context)
        people.append(Staff(context.new_page(), live_server.url))
        return people[-1]

    yield log_in
    for context in contexts:
        context.close()
    assert [trouble for person in people for trouble in person.troubles] == []


@pytest.fixture
def day(service) -> Slot:
    return builders.make_slot(service, days=5, capacity=5)


@pytest.fixture
def later(service) -> Slot:
    return builders.make_slot(service, days=6, capacity=2)


@pytest.fixture
def booked(package, day):
    def made(count: int = 1) -> list[Booking]:
        for number in range(count):
            person = builders.make_user(
                f"asha{number}@example.com",
                first_name="Asha",
                last_name="Lakhotia",
                phone=f"+91987654321{number}",
                email_confirmed_at=timezone.now(),
            )
            payment = make_payment(builders.make_checkout(builders.make_cart(person, package, day.starts_at)))
            apply_status(payment.attempts.get().pk, completed(), "worker")
        return [*Booking.objects.order_by("pk")]

    return made


def case_of(booking: Booking) -> str:
    return f"/admin/desk/case/{booking.book_id}/"


@pytest.mark.parametrize("size", SIZES)
def test_a_case_is_read_and_300_rupees_go_back_in_three_clicks(booked, at_desk, shot_of, size):
    (booking,) = booked()
    staff = at_desk("Owner", size)
    staff.open(case_of(booking))
    staff.sees("Asha Lakhotia")
    staff.sees("₹1,100.00")
    shot_of(staff.page, f"case-{size}")
    assert_nothing_serious(staff.page)

    staff.click("link", "Refund")
    staff.page.get_by_label("Amount").fill("300")
    staff.click("button", "Show what will happen")
    staff.sees("₹300.00")
    expect(staff.page.locator("section:focus")).to_contain_text("What will happen")  # not at the top again
    staff.sees("The booking stays as it is")
    shot_of(staff.page, f"refund-{size}")
    assert_nothing_serious(staff.page)
    staff.write_reason()
    staff.click("button", "Refund now")
    staff.sees("Done: Refund.")

    assert Refund.objects.get().amount_paise == 30_000
    assert staff.clicks == 3


@pytest.mark.parametrize("size", SIZES)
def test_a_booking_is_moved_in_three_clicks(booked, later, at_desk, shot_of, size):
    (booking,) = booked()
    staff = at_desk("Support", size)
    staff.open(case_of(booking))
    staff.click("link", "Move")
    shot_of(staff.page, f"move-{size}")
    assert_nothing_serious(staff.page)
    staff.clicks += 1
    staff.page.locator("button[name=slot]").first.click()
    staff.sees("The booking moves from")
    shot_of(staff.page, f"moved-{size}")
    assert_nothing_serious(staff.page)
    staff.write_reason()
    staff.click("button", "Move the booking")
    staff.sees("Done: Move.")

    booking.refresh_from_db()
    assert booking.starts_at == later.starts_at
    assert staff.clicks == 3


@pytest.mark.parametrize("size", SIZES)
def test_a_day_with_five_bookings_is_closed_in_two_clicks(booked, day, later, at_desk, shot_of, size):
    booked(5)
    staff = at_desk("Manager", size)
    staff.open("/admin/desk/closing/")
    assert_nothing_serious(staff.page)
    staff.page.get_by_label("Day").fill(f"{timezone.localtime(day.starts_at):%Y-%m-%d}")
    staff.click("button", "Show the bookings")
    staff.sees("5 bookings")
    shot_of(staff.page, f"closing-{size}")
    assert_nothing_serious(staff.page)
    staff.write_reason()
    staff.click("button", "Close, and do this")
    staff.sees("All bookings are done.", within=180)
    shot_of(staff.page, f"closed-{size}")
    assert_nothing_serious(staff.page)

    assert ClosureItem.objects.exclude(outcome="").count() == 5
    assert staff.clicks == 2


@pytest.mark.parametrize("size", SIZES)
def test_the_second_person_approves_in_three_clicks(booked, at_desk, shot_of, size, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    (booking,) = booked()
    request_refund(booking.checkout.payment.pk, None, "a mistake of ours", builders.make_superuser())
    staff = at_desk("Owner", size)
    staff.open("/admin/desk/")
    staff.click("link", "Refunds that wait for a second person")
    expect(staff.page).to_have_url(f"{staff.url}/admin/desk/approvals/")
    shot_of(staff.page, f"approvals-{size}")
    assert_nothing_serious(staff.page)
    staff.click("link", "Approve …")
    shot_of(staff.page, f"approve-{size}")
    assert_nothing_serious(staff.page)
    staff.write_reason("It is right.")
    staff.click("button", "Approve")
    staff.sees("Done:")

    booking.refresh_from_db()
    assert booking.status == "CANCELLED"
    assert staff.clicks == 3


@pytest.mark.parametrize("size", SIZES)
def test_a_call_is_answered_in_two_clicks(booked, at_desk, shot_of, size):
    """The caller tells the last four digits of their phone: what, when, who and whether it is paid."""
    (booking,) = booked()
    staff = at_desk("Support", size)
    staff.open("/admin/desk/")
    staff.page.locator("#desk-search").fill("3210")
    staff.click("button", "Search", exact=True)
    shot_of(staff.page, f"search-{size}")
    staff.click("link", booking.book_id)

    expect(staff.page).to_have_url(staff.url + case_of(booking))
    for fact in ("Griha Pravesh", "10:00 AM", "Asha Lakhotia", "Paid"):
        staff.sees(fact)
    assert staff.clicks == 2


def test_what_was_written_is_there_again_when_the_login_had_ended(booked, at_desk):
    """By the login page; and, where somebody has logged in again in another tab, by a form of before that login."""
    (booking,) = booked()
    staff = at_desk("Owner")
    person = User.objects.get(groups__name="Owner")
    reason = staff.page.get_by_label("Reason")

    def log_in(page: Page) -> None:
        page.locator("#id_username").fill(person.email)
        page.locator("#id_password").fill(builders.PASSWORD)
        page.get_by_role("button", name="Log in").click()

    staff.open(case_of(booking) + "refund/?amount=300")
    staff.write_reason()
    Session.objects.all().delete()
    staff.click("button", "Refund now")
    log_in(staff.page)
    staff.sees("Nothing was sent, because your login had ended.")
    expect(reason).to_have_value("The river has risen.")
    assert not Refund.objects.exists()

    reason.fill("The road is closed.")
    Session.objects.all().delete()
    tab = staff.page.context.new_page()
    tab.goto(staff.url + "/admin/desk/")
    log_in(tab)
    expect(tab.get_by_role("main")).to_be_visible()
    with staff.forgiving("403"):
        staff.click("button", "Refund now")
        staff.click("link", "Try again")
    expect(reason).to_have_value("The road is closed.")
    staff.click("button", "Refund now")
    staff.sees("Done: Refund.")

    staff.open(case_of(booking) + "refund/?amount=300")
    expect(reason).to_have_value("")
    assert Refund.objects.get().reason == "The road is closed."


def test_who_may_not_refund_sees_no_button(booked, at_desk):
    (booking,) = booked()
    staff = at_desk("Support")
    staff.open(case_of(booking))

    expect(staff.page.get_by_role("link", name="Move")).to_be_visible()
    expect(staff.page.get_by_role("link", name="Refund", exact=True)).to_have_count(0)


@pytest.fixture
def shot_of(tmp_path):
    """For somebody to look at (pytest --basetemp says where)."""
    return lambda page, name: page.screenshot(path=tmp_path / f"{name}.png", full_page=True)


def test_an_action_of_a_raw_table_is_asked_once_more(day, at_desk):
    staff = at_desk("Owner")
    staff.open("/admin/booking/slot/")
    questions = []

    def answer(dialog):
        questions.append(dialog.message)
        dialog.accept() if len(questions) == 2 else dialog.dismiss()

    staff.page.on("dialog", answer)
    staff.page.locator("input.action-select").first.check()
    staff.page.locator("select[name=action]").select_option(
        label="Close: cancel all bookings and refund them in full"
    )
    staff.click("button", "Run")
    assert "refund them in full" in questions[0]
    assert "1 of 1" in questions[0]
    assert not Slot.objects.filter(is_suspended=True).exists()
    staff.click("button", "Run")
    staff.sees("is closed")
    assert len(questions) == 2

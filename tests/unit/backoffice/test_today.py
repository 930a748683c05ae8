"""Today: the agenda, what needs somebody, and the money, each by the rights of who looks."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import figures
from backoffice.attention import NEEDS
from booking.models import Assignment, Booking, Checkout, Priest
from booking.services.priests import without_priest
from notifications.models import Notification
from payment.models import Dispute, LedgerEntry, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from tests.harness import builders
from tests.unit.backoffice.sold import book
from tests.unit.payment.builders import completed, make_attempt, make_payment

pytestmark = pytest.mark.django_db
PAGE = "/admin/desk/"
MOST_STATEMENTS = 15


def in_the_evening() -> datetime:
    return timezone.localtime().replace(hour=23, minute=0, second=0, microsecond=0)


def paid(cart, source: str = "worker", paise: int | None = None) -> Payment:
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(paise or payment.amount_paise), source)
    payment.refresh_from_db()
    return payment


def test_the_agenda_names_puja_person_phone_place_and_money_of_this_day_only(desk, alice, package):
    book(alice, package, in_the_evening())
    book(alice, package, in_the_evening() + timedelta(days=1))
    cancelled = book(alice, package, in_the_evening() - timedelta(minutes=30))
    Booking.objects.filter(pk=cancelled.pk).update(status=Booking.Status.CANCELLED)
    page = desk("Support").get(PAGE)
    [hour] = page.context["agenda"]
    [line] = hour.lines

    assert hour.starts_at == in_the_evening()
    assert (line.puja, line.name, line.is_online) == (package.puja_service.title, "Alice Devi", False)
    assert line.place == "12 Temple Road, Patna"
    assert (line.paid_paise, line.back_paise) == (110_000, 0)
    text = page.content.decode()
    assert 'href="tel:+919876500001"' in text
    assert 'href="https://wa.me/919876500001?text=Namaste' in text
    assert "₹1,100.00" in text


def test_the_agenda_says_what_goes_back_and_not_what_is_only_asked_for(alice, package, desk, staff):
    booking = book(alice, package, in_the_evening())
    attempt = booking.checkout.payment.attempts.get()
    create_refund(attempt, 30_000, "a late priest", asked_by=staff)
    create_refund(attempt, 20_000, "more", asked_by=staff, held_because=Refund.Hold.SECOND_PERSON)
    page = desk("Support").get(PAGE)
    [hour] = page.context["agenda"]

    assert hour.lines[0].back_paise == 30_000
    assert "1 booking · ₹800.00 paid · 1 without a priest" in page.content.decode()


def test_what_was_paid_twice_and_goes_back_is_not_taken_off_the_booking(alice, package, desk):
    payment = paid(builders.make_cart(alice, package))
    Booking.objects.filter(checkout__payment=payment).update(starts_at=in_the_evening())
    second = make_attempt(payment, number=2)
    apply_status(second.pk, completed(payment.amount_paise), "worker")
    assert Refund.objects.get().attempt == second
    page = desk("Support").get(PAGE)

    assert page.context["agenda"][0].lines[0].back_paise == 0
    assert "1 booking · ₹1,100.00 paid" in page.content.decode()


def test_a_booking_lacks_priests_as_the_pages_about_priests_count(alice, charlie, package, desk):
    two = book(alice, package, in_the_evening())
    Checkout.objects.filter(pk=two.checkout_id).update(priest_count=2)
    for person in charlie, builders.make_user():
        done = book(person, package, in_the_evening())
        Booking.objects.filter(pk=done.pk).update(status=Booking.Status.COMPLETED)
    begins, priest = in_the_evening(), Priest.objects.create(name="Pandit Hari")
    ends = begins + timedelta(hours=1)
    Assignment.objects.create(booking=two, priest=priest, begins=begins, ends=ends)
    page = desk("Support").get(PAGE)

    assert page.context["without_priest"] == 1
    assert without_priest(begins, ends).count() == 1


def test_a_puja_by_video_is_online_and_has_no_address(desk, alice, slotless_service):
    book(alice, slotless_service.packages.get(), in_the_evening())
    [hour] = desk("Support").get(PAGE).context["agenda"]

    assert hour.lines[0].is_online


@pytest.mark.parametrize(("day", "count"), [("", 1), ("tomorrow", 2), ("2026-02-31", 1), ("nonsense", 1)])
def test_another_day_is_one_click_away(desk, alice, package, day, count):
    book(alice, package, in_the_evening())
    for minutes in (0, 30):
        book(alice, package, in_the_evening() + timedelta(days=1, minutes=-minutes))
    tomorrow = (in_the_evening() + timedelta(days=1)).date()
    page = desk("Support").get(PAGE, {"day": f"{tomorrow}" if day == "tomorrow" else day})

    assert sum(len(hour.lines) for hour in page.context["agenda"]) == count


def make_every_case(alice, charlie, package, staff) -> None:
    """One of each kind that needs somebody."""
    paid(builders.make_cart(alice, package), paise=100)
    booking = book(charlie, package, timezone.now() + timedelta(hours=1))
    Priest.objects.create(name="Pandit Mishra")
    payment = booking.checkout.payment
    attempt = payment.attempts.get()
    create_refund(attempt, 10_000, "large", asked_by=staff, held_because=Refund.Hold.SECOND_PERSON)
    failed = create_refund(attempt, 10_000, "failed", asked_by=staff)
    Refund.objects.filter(pk=failed.pk).update(held_because=Refund.Hold.FAILED_OFTEN, next_check_at=None)
    late = create_refund(attempt, 10_000, "late", asked_by=staff)
    Refund.objects.filter(pk=late.pk).update(expected_by=timezone.now() - timedelta(days=1))
    people = [builders.make_user() for _ in range(3)]
    open_one, due, other = (
        make_payment(builders.make_checkout(builders.make_cart(each, package))) for each in people
    )
    long_ago = timezone.now() - timedelta(hours=2)
    Payment.objects.filter(pk=open_one.pk).update(created_at=long_ago)
    Payment.objects.filter(pk=due.pk).update(state="SUCCESS", fulfilment="DUE", created_at=long_ago)
    Payment.objects.filter(pk=other.pk).update(
        state="SUCCESS", fulfilment="HELD_FOR_STAFF", held_because="another_merchant"
    )
    event = WebhookEvent.objects.create(
        digest="d", body=b"{}", state=WebhookEvent.State.NEEDS_REVIEW, unclear="a new word", event="e"
    )
    Dispute.objects.create(
        dispute_id="D1", attempt=attempt, event=event, status="CREATED", told_at=timezone.now()
    )
    Notification.objects.filter(pk=Notification.objects.earliest("pk").pk).update(state="GIVEN_UP")
    WorkLease.objects.create(
        kind="refund",
        row=late.pk,
        token="00000000-0000-0000-0000-000000000001",
        taken_at=timezone.now(),
        held_until=timezone.now(),
        error="KeyError",
    )


def test_every_kind_of_case_is_counted_and_leads_to_its_rows(desk, alice, charlie, package, staff):
    make_every_case(alice, charlie, package, staff)
    client = desk("Owner")
    page = client.get(PAGE)

    assert {each.need.name: each.count for each in page.context["needs"]} == {need.name: 1 for need in NEEDS}
    for need in NEEDS:
        address = f"{PAGE}needs/{need.name}/"
        shown = (
            reverse("desk:approvals") if need.name == "approval" else address
        )  # approved by the next click
        assert f'href="{shown}"' in page.content.decode()
        [row] = client.get(address).context["rows"]
        assert client.get(row.address).status_code == 200, need.name


def test_what_a_role_may_not_see_is_not_counted(desk, alice, charlie, package, staff):
    make_every_case(alice, charlie, package, staff)
    seen = {each.need.name for each in desk("Coordinator").get(PAGE).context["needs"]}

    assert seen == {"priest"}
    support = {each.need.name: each.address for each in desk("Support").get(PAGE).context["needs"]}
    assert "work" not in support
    assert support["approval"] == f"{PAGE}needs/approval/"  # they may not approve it


def test_who_assigns_priests_is_told_what_lacks_one(desk, alice, package):
    """Of the next two days; what has its priest, or is further off, needs nobody today."""
    soon, later = timezone.now() + timedelta(hours=40), timezone.now() + timedelta(hours=60)
    booking = book(alice, package, soon)
    book(builders.make_user(), package, later)
    coordinator, page = desk("Coordinator"), f"{PAGE}needs/priest/"
    assert coordinator.get(page).context["rows"] == []  # this temple keeps no priests here
    priest = Priest.objects.create(name="Pandit Mishra")
    [row] = coordinator.get(page).context["rows"]
    assert row.address == reverse("desk:assign-priest", args=[booking.book_id])
    assert desk("Support").get(page).status_code == 403

    Assignment.objects.create(booking=booking, priest=priest, begins=soon, ends=soon + timedelta(hours=2))
    assert coordinator.get(page).context["rows"] == []


def test_a_priest_sees_no_search_and_no_list_that_are_empty_for_them(desk):
    for role, is_shown in (("Priest", False), ("Coordinator", True)):
        page = desk(role).get(reverse("desk:my-day")).content.decode()
        assert ('id="desk-search"' in page, reverse("desk:tables") in page) == (is_shown, is_shown), role


def test_nothing_to_do_is_said(desk):
    assert "Nothing needs you" in desk("Owner").get(PAGE).content.decode()


def test_money_is_what_the_ledger_says_by_span_and_puja(alice, charlie, package, slotless_service):
    first = paid(builders.make_cart(alice, package))
    online = slotless_service.packages.get()
    second = paid(builders.make_cart(charlie, online))
    donation = make_payment(amount_paise=50_000, payer_reference="A guest")
    apply_status(donation.attempts.get().pk, completed(50_000), "webhook")
    create_refund(first.attempts.get(), 10_000, "a gesture", asked_by=None)
    LedgerEntry.objects.create(
        payment=first, attempt=first.attempts.get(), kind="REFUND", amount_paise=-10_000, reference="R"
    )
    LedgerEntry.objects.filter(payment=second).update(created_at=timezone.now() - timedelta(days=3))
    money = figures.money(timezone.localdate())
    total = second.amount_paise + first.amount_paise + 50_000

    assert money.came == {1: first.amount_paise + 50_000, 7: total, 30: total}
    assert money.went_back == {1: 10_000, 7: 10_000, 30: 10_000}
    assert money.payments == {1: 2, 7: 3, 30: 3}
    assert dict(money.by_puja) == {
        package.puja_service.title: first.amount_paise,
        "Online Jaap": second.amount_paise,
        "Donations": 50_000,
    }
    assert sum(paise for _, paise in money.by_day) == total
    assert len(money.by_day) == 30


def test_days_that_are_over_are_summed_once(alice, charlie, package, django_assert_num_queries):
    """Yesterday and today are read anew: what begins before midnight may be committed after it."""
    today, first = timezone.localdate(), paid(builders.make_cart(alice, package))
    LedgerEntry.objects.filter(payment=first).update(created_at=timezone.now() - timedelta(days=5))
    assert figures.money(today).came == {1: 0, 7: 110_000, 30: 110_000}
    second = paid(builders.make_cart(charlie, package))
    LedgerEntry.objects.filter(payment=second).update(created_at=timezone.now() - timedelta(days=1))

    with django_assert_num_queries(1):
        assert figures.money(today).came == {1: 0, 7: 220_000, 30: 220_000}
    assert figures.money(today + timedelta(days=1)).came == {1: 0, 7: 220_000, 30: 220_000}


def test_what_happened_before_midnight_is_not_of_today(alice, package):
    payment = paid(builders.make_cart(alice, package))
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    LedgerEntry.objects.filter(payment=payment).update(created_at=midnight - timedelta(seconds=1))
    assert figures.money(timezone.localdate()).came == {1: 0, 7: 110_000, 30: 110_000}


def test_simulated_money_counts_in_simulation_only(alice, package, settings):
    payment = paid(builders.make_cart(alice, package))
    LedgerEntry.objects.filter(payment=payment).update(simulated=True)
    settings.PHONEPE_SIMULATION_MODE = False
    assert figures.money(timezone.localdate()).came[30] == 0
    settings.PHONEPE_SIMULATION_MODE = True
    assert figures.money(timezone.localdate()).came[30] == 110_000


def test_the_rate_of_an_hour_is_of_the_orders_that_are_decided(alice, charlie, package):
    paid(builders.make_cart(alice, package))
    make_payment(builders.make_checkout(builders.make_cart(charlie, package)))
    failed = make_payment(amount_paise=5_000)
    PaymentAttempt.objects.filter(payment=failed).update(state="FAILED")
    hours = figures.hours(timezone.now())

    assert len(hours) == 24
    assert [(hour.paid, hour.unpaid, hour.undecided) for hour in hours if hour.paid] == [(1, 1, 1)]
    assert hours[-1].rate == 0.5
    assert hours[0].rate is None


def test_who_told_of_a_payment_first(alice, charlie, package):
    paid(builders.make_cart(alice, package), "webhook")
    paid(builders.make_cart(charlie, package), "return page")
    donation = make_payment(amount_paise=5_000)
    apply_status(donation.attempts.get().pk, completed(5_000), "worker")

    assert figures.news_of_payments(timezone.now()) == {"webhook": 1, "page": 1, "worker": 1}


def test_money_at_risk_is_what_nobody_has_decided(alice, charlie, package):
    assert figures.risk() == figures.Risk(0, 0, None, None)
    paid(builders.make_cart(charlie, package))
    undecided = make_payment(builders.make_checkout(builders.make_cart(alice, package)))
    risk = figures.risk()

    assert (risk.paise, risk.count, risk.oldest) == (110_000, 1, undecided.created_at)
    assert risk.next_question == undecided.attempts.get().next_check_at


def test_a_role_without_the_right_to_see_payments_sees_no_sums(desk, alice, package):
    book(alice, package, in_the_evening())
    coordinator = desk("Coordinator")
    page = coordinator.get(PAGE).content.decode()
    see_people = Permission.objects.get(codename="view_user", content_type__app_label="accounts")
    Group.objects.get(name="Coordinator").permissions.add(see_people)
    person = coordinator.get(reverse("desk:person", args=[alice.pk])).content.decode()

    for shown in page, person:
        assert "₹" not in shown
        assert "Paid</td>" in " ".join(shown.split()).replace(" </td>", "</td>")
    assert "Money at risk" not in page
    assert "Health of each hop" not in page


@pytest.mark.parametrize("bookings", [3, 12])
def test_today_takes_as_many_statements_whatever_there_is(
    desk, alice, charlie, package, staff, bookings, django_assert_max_num_queries
):
    make_every_case(alice, charlie, package, staff)
    for number in range(bookings):
        book(builders.make_user(), package, in_the_evening() - timedelta(minutes=number))
    client: Client = desk("Owner")
    client.get(PAGE)
    with django_assert_max_num_queries(MOST_STATEMENTS):
        client.get(PAGE)

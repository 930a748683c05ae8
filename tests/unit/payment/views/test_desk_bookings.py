"""Bookings on the admin pages of today's frontend: each row of its contract."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from booking.models import Assignment, Booking, EarlierStart, Priest, PriestLeave
from notifications.models import Notification
from payment.models import CaseNote, LedgerEntry, Refund, StateChange
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import approve_refund, withdraw_refund
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.views.test_rights import give

pytestmark = pytest.mark.django_db

DESK = "/api/booking/admin/"
BOOKINGS = f"{DESK}bookings/"


def buy(user, package, start=None, **fields):
    """A paid booking."""
    payment = make_payment(builders.make_checkout(builders.make_cart(user, package, start)))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    Booking.objects.filter(checkout=payment.checkout_id).update(**fields)
    return Booking.objects.get(checkout=payment.checkout_id)


@pytest.fixture
def booking(alice, package, slot):
    return buy(alice, package, slot.starts_at)


@pytest.fixture
def desk(api, staff):
    return api(staff)


def change(desk, booking, status, **more):
    return desk.patch(f"{BOOKINGS}{booking.pk}/status/", {"status": status, **more})


# --- The list ----------------------------------------------------------------------------------


def test_a_row_reads_as_the_pages_print_it(desk, booking, alice):
    (row,) = desk.get(BOOKINGS).json()
    start = timezone.localtime(booking.starts_at)

    assert (row["id"], row["book_id"]) == (booking.pk, booking.book_id)
    assert row["user"]["username"] == row["user_name"] == "Alice Devi"
    assert (row["user_email"], row["user_phone"]) == ("alice@example.com", "9876500001")
    assert (row["service_title"], row["total_amount"]) == ("Griha Pravesh", "1100.00")
    assert row["address_full"] == "12 Temple Road, Patna, Bihar, 800001"
    assert (row["selected_date"], row["selected_time"]) == (f"{start:%Y-%m-%d}", f"{start:%H:%M}")
    assert (row["status"], row["payment_status"], row["payment_method"]) == (
        "CONFIRMED",
        "SUCCESS",
        "PhonePe",
    )
    assert row["transaction_id"]


def test_the_address_is_never_empty(desk, alice, slotless_service):
    buy(alice, slotless_service.packages.get())

    assert [row["address_full"] for row in desk.get(BOOKINGS).json()] == ["Online"]


def test_the_list_is_narrowed_as_the_page_asks(desk, alice, charlie, package, slotless_service):
    first = buy(alice, package)
    second = buy(charlie, slotless_service.packages.get(), builders.in_days(9))
    called_off = buy(charlie, package, builders.in_days(5), choose_until=builders.in_days(4))
    days = {"date_from": f"{builders.in_days(8):%Y-%m-%d}", "date_to": f"{builders.in_days(9):%Y-%m-%d}"}

    def found(**query):
        answer = desk.get(BOOKINGS, query)
        assert answer.status_code == 200, answer.json()
        return [row["id"] for row in answer.json()]

    assert found() == [called_off.pk, second.pk, first.pk]
    assert found(search="", status="", date_from="") == found()
    assert found(**days) == [second.pk]
    assert found(status="confirmed") == found(status="CONFIRMED") == [second.pk, first.pk]
    assert found(status="pending") == [called_off.pk]
    assert found(status="in_progress") == found(status="completed") == []
    for text in (
        first.book_id,
        first.book_id.lower()[:6],
        "alice",
        "Alice Devi",
        "98765 00001",
        "alice@example",
    ):
        assert found(search=text) == [first.pk], text
    attempt = first.checkout.payment.attempts.get()
    for number in (attempt.merchant_order_id, first.checkout.payment.reference, "0001", "devi alice"):
        assert found(search=number) == [first.pk], number
    assert found(search="Online Jaap") == [second.pk]
    assert found(search="nobody") == []


@pytest.mark.parametrize(
    "query", [{"date_from": "0001-01-01"}, {"date_to": "9999-12-31"}, {"date_from": "soon"}]
)
def test_a_date_that_is_none_is_refused(desk, query):
    assert desk.get(BOOKINGS, query).status_code == 400


def test_the_list_ends_and_costs_the_same_for_many(
    desk, alice, package, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr("payment.views.desk_bookings.DeskArray.most_rows", 3)
    for _ in range(2):
        buy(alice, package)
    desk.get(BOOKINGS)
    with django_assert_num_queries(5) as few:  # the session, its rate, the rows, their payments and priests
        desk.get(BOOKINGS)
    for _ in range(3):
        newest = buy(alice, package)
    with django_assert_num_queries(len(few.captured_queries)):
        answer = desk.get(BOOKINGS)

    assert [len(answer.json()), answer.json()[0]["id"]] == [3, newest.pk]
    assert 'rel="next"' in answer["Link"]


# --- Status ------------------------------------------------------------------------------------


def test_cancelled_is_refunded_by_the_policy(desk, booking, slot, settings):
    settings.REFUND_POLICY = ((48, 100), (24, 50))
    Booking.objects.filter(pk=booking.pk).update(starts_at=timezone.now() + timedelta(hours=30))
    answer = change(desk, booking, "CANCELLED", cancellation_reason="asked by phone")
    booking.refresh_from_db()
    slot.refresh_from_db()

    assert answer.status_code == 200, answer.json()
    assert (booking.status, booking.cancellation_reason, booking.rejected) == (
        "CANCELLED",
        "asked by phone",
        False,
    )
    assert answer.json()["booking"]["status"] == "CANCELLED"
    assert slot.booked == 0
    refund = Refund.objects.get()
    assert 0 < refund.amount_paise < booking.checkout.total_paise
    assert f"₹{refund.amount_paise // 100}" in answer.json()["message"]
    assert Notification.objects.filter(kind="cancelled").count() == 1


def test_rejected_is_refunded_in_full_and_shown_so(desk, booking):
    Booking.objects.filter(pk=booking.pk).update(starts_at=timezone.now() + timedelta(hours=1))
    answer = change(desk, booking, "rejected", rejection_reason="the temple is closed")
    booking.refresh_from_db()

    assert (answer.status_code, booking.status) == (200, "CANCELLED")
    assert Refund.objects.get().amount_paise == booking.checkout.total_paise
    assert answer.json()["booking"]["status"] == "REJECTED"
    assert [row["status"] for row in desk.get(BOOKINGS, {"status": "rejected"}).json()] == ["REJECTED"]
    assert desk.get(BOOKINGS, {"status": "cancelled"}).json() == []


def test_twice_is_one_refund(desk, booking):
    change(desk, booking, "REJECTED", rejection_reason="closed")
    again = change(desk, booking, "REJECTED", rejection_reason="closed")

    assert (again.status_code, Refund.objects.count()) == (409, 1)


@pytest.mark.parametrize("decision", ["approved", "withdrawn"])
def test_above_the_limit_a_second_person_decides(api, booking, settings, decision):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    first, second = builders.make_superuser(), builders.make_superuser()
    answer = change(api(first), booking, "REJECTED", rejection_reason="closed")
    booking.refresh_from_db()
    assert (answer.status_code, booking.status) == (200, "CONFIRMED")
    assert "second person" in answer.json()["message"]

    if decision == "approved":
        approve_refund(Refund.objects.get().pk, second)
    else:
        withdraw_refund(Refund.objects.get().pk, second)
    (row,) = api(second).get(BOOKINGS).json()
    assert row["status"] == ("REJECTED" if decision == "approved" else "CONFIRMED")
    booking.refresh_from_db()
    assert booking.rejected == (decision == "approved")


def test_cancelled_above_the_limit_gives_the_share_of_the_policy_and_requests_no_more(
    desk, booking, settings
):
    """The customer could take the share alone, so nobody else approves it."""
    settings.REFUND_SECOND_PERSON_ABOVE, settings.REFUND_POLICY = 100, ((48, 100), (24, 50))
    Booking.objects.filter(pk=booking.pk).update(starts_at=timezone.now() + timedelta(hours=30))
    answer = change(desk, booking, "CANCELLED", cancellation_reason="asked by phone")

    assert answer.json()["booking"]["status"] == "CANCELLED"
    [refund] = Refund.objects.all()
    assert (refund.amount_paise, refund.is_requested) == (booking.checkout.total_paise // 2, False)


@pytest.mark.parametrize("status", ["CANCELLED", "REJECTED"])
def test_what_ends_a_booking_needs_a_reason(desk, booking, status):
    answer = change(desk, booking, status)

    assert (answer.status_code, [*answer.json()["fields"]]) == (
        400,
        ["cancellation_reason" if status == "CANCELLED" else "rejection_reason"],
    )
    booking.refresh_from_db()
    assert booking.status == "CONFIRMED"


def test_a_puja_is_completed_once_it_has_begun(desk, booking, staff):
    early = change(desk, booking, "COMPLETED")
    assert (early.status_code, early.json()["code"]) == (409, "not_completable")
    Booking.objects.filter(pk=booking.pk).update(starts_at=timezone.now() - timedelta(hours=1))

    assert [change(desk, booking, "COMPLETED").status_code for _ in range(2)] == [200, 200]
    booking.refresh_from_db()
    assert booking.status == "COMPLETED"
    assert StateChange.objects.get(rule="completed_by_staff").detail == f"by user {staff.pk}"


def test_only_a_payment_confirms(desk, booking):
    assert change(desk, booking, "CONFIRMED").status_code == 200
    change(desk, booking, "REJECTED", rejection_reason="closed")
    answer = change(desk, booking, "CONFIRMED")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_confirmable")


# --- Reschedule --------------------------------------------------------------------------------


def move(desk, booking, start, reason="asked by phone"):
    start = timezone.localtime(start)
    body = {"selected_date": f"{start:%Y-%m-%d}", "selected_time": f"{start:%H:%M}:00", "reason": reason}
    return desk.post(f"{BOOKINGS}{booking.pk}/reschedule/", body)


def test_a_booking_is_moved_to_another_slot_and_its_customer_is_told(desk, booking, slot, staff):
    other = builders.make_slot(slot.service, days=6, capacity=1)
    answer = move(desk, booking, other.starts_at)
    booking.refresh_from_db()
    slot.refresh_from_db()
    other.refresh_from_db()

    assert answer.status_code == 200, answer.json()
    assert (booking.starts_at, booking.moved_because, booking.moves) == (other.starts_at, "asked by phone", 1)
    assert (slot.booked, other.booked) == (0, 1)
    assert EarlierStart.objects.get().starts_at == slot.starts_at
    assert Notification.objects.filter(kind="moved").count() == 1
    assert f"by user {staff.pk}" in StateChange.objects.get(rule="moved_by_temple").detail
    assert answer.json()["booking"]["selected_date"] == f"{timezone.localtime(other.starts_at):%Y-%m-%d}"
    assert move(desk, booking, other.starts_at).status_code == 200  # the same time again is no second move
    booking.refresh_from_db()
    assert booking.moves == 1


def test_there_is_no_move_to_a_full_or_unknown_time(desk, booking, slot):
    full = builders.make_slot(slot.service, days=6, capacity=1, booked=1)

    assert (
        move(desk, booking, full.starts_at).status_code,
        move(desk, booking, builders.in_days(7)).status_code,
    ) == (
        409,
        400,
    )
    booking.refresh_from_db()
    assert booking.starts_at == slot.starts_at


def test_a_puja_without_slots_moves_within_the_opening_hours(desk, alice, slotless_service):
    booking = buy(alice, slotless_service.packages.get())
    night = move(desk, booking, builders.in_days(6, hour=3))
    day = move(desk, booking, builders.in_days(6, hour=11))
    booking.refresh_from_db()

    assert (night.status_code, [*night.json()["fields"]]) == (400, ["selected_time"])
    assert (day.status_code, booking.starts_at) == (200, builders.in_days(6, hour=11))


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2020-01-01", "soon", None])
def test_a_day_that_nobody_can_book_is_refused(desk, booking, day):
    body = {"selected_date": day, "selected_time": "10:00:00", "reason": "asked"}
    answer = desk.post(f"{BOOKINGS}{booking.pk}/reschedule/", body, format="json")

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["selected_date"])


# --- Priests -----------------------------------------------------------------------------------


def employ(name="Pandit Ravi", **fields):
    """A priest with an account, and its id."""
    account = builders.make_user(f"{name.split()[-1].lower()}@example.com", role=User.Role.EMPLOYEE)
    return Priest.objects.create(user=account, name=name, **fields), account.pk


def assign(desk, booking, account, **more):
    return desk.patch(f"{BOOKINGS}{booking.pk}/assign/", {"assigned_to": account, **more}, format="json")


def held(booking):
    rows = Assignment.objects.filter(booking=booking, freed_at=None).order_by("pk")
    return [each.priest.name for each in rows]


def test_a_booking_is_given_to_an_employee_by_either_page_and_shown_so(desk, booking, staff):
    _priest, account = employ()
    assert desk.get(BOOKINGS).json()[0]["assigned_to"] is None
    first = assign(desk, booking, account, assignment_notes="Bring the flowers")
    again = desk.post(f"{BOOKINGS}{booking.pk}/assign/", {"assigned_to_id": account})

    assert (first.status_code, again.status_code) == (200, 200), first.json()
    (row,) = desk.get(BOOKINGS).json()
    assert (row["assigned_to"], row["assigned_to_name"]) == (account, "Pandit Ravi")
    assert first.json()["booking"]["assigned_to"] == account
    assert Notification.objects.filter(kind="priest_known").count() == 1
    assert f"by user {staff.pk}" in StateChange.objects.get(rule="priest_assigned").detail
    note = CaseNote.objects.get()
    assert (note.author, note.text, note.payment.checkout_id) == (
        staff,
        "Bring the flowers",
        booking.checkout_id,
    )
    recent = desk.get(f"{DESK}dashboard/").json()["recent_bookings"]
    assert [each["assigned_to_name"] for each in recent] == ["Pandit Ravi"]


def test_zero_takes_it_from_every_priest_and_twice_is_once(desk, booking):
    _priest, account = employ()
    assign(desk, booking, account)

    assert [assign(desk, booking, 0).status_code for _ in range(2)] == [200, 200]
    assert held(booking) == []
    assert StateChange.objects.filter(rule="priest_unassigned").count() == 1
    (row,) = desk.get(BOOKINGS).json()
    assert (row["assigned_to"], row["assigned_to_name"]) == (None, None)


@pytest.mark.parametrize(("places", "left"), [(1, ["Pandit Mohan"]), (2, ["Pandit Gopal", "Pandit Mohan"])])
def test_a_booking_without_a_free_place_changes_hands(desk, booking, places, left):
    type(booking.checkout).objects.filter(pk=booking.checkout_id).update(priest_count=places)
    for name in ("Pandit Ravi", "Pandit Gopal", "Pandit Mohan"):
        assert assign(desk, booking, employ(name)[1]).status_code == 200

    assert held(booking) == left


def test_a_priest_who_is_taken_or_away_leaves_the_booking_as_it_was(desk, booking, alice, package):
    other = buy(alice, package, starts_at=booking.starts_at)
    _first, first = employ()
    _taken, busy = employ("Pandit Gopal")
    leave, away = employ("Pandit Mohan")
    ends = booking.starts_at + timedelta(days=1)
    PriestLeave.objects.create(priest=leave, begins=booking.starts_at, ends=ends)
    assign(desk, booking, first)
    assign(desk, other, busy)

    for account, code in ((busy, "priest_busy"), (away, "priest_away")):
        answer = assign(desk, booking, account, assignment_notes="now them")
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert "priest" in answer.json()["detail"]
    assert held(booking) == ["Pandit Ravi"]
    assert not StateChange.objects.filter(rule="priest_unassigned").exists()
    assert not CaseNote.objects.exists()


def test_a_cancelled_booking_gets_no_priest(desk, booking):
    change(desk, booking, "REJECTED", rejection_reason="closed")
    answer = assign(desk, booking, employ()[1])

    assert (answer.status_code, answer.json()["code"]) == (409, "not_assignable")


def test_who_cannot_be_assigned_is_refused_with_a_sentence(desk, booking, alice):
    clerk = builders.make_user("mohan@example.com", role=User.Role.EMPLOYEE)
    _priest, closed = employ()
    User.objects.filter(pk=closed).update(account_status="DEACTIVATED")

    for account in (alice.pk, closed, 2**63 - 1, -1, 2**63, "x", None):
        answer = assign(desk, booking, account)
        assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["assigned_to"]), account
        assert answer.json()["detail"]
    no_priest = assign(desk, booking, clerk.pk)
    assert no_priest.status_code == 400
    assert "mohan@example.com" in no_priest.json()["detail"]
    unclear = desk.post(f"{BOOKINGS}{booking.pk}/assign/", {"assigned_to": 0, "assigned_to_id": clerk.pk})
    assert [unclear.status_code, desk.post(f"{BOOKINGS}{booking.pk}/assign/", {}).status_code] == [400, 400]
    assert held(booking) == []


def test_employees_are_listed_by_their_accounts_at_constant_cost(desk, alice, django_assert_num_queries):
    _priest, account = employ()
    customer = Priest.objects.create(user=builders.make_user("gopal@example.com"), name="Pandit Gopal").user
    clerk = builders.make_user("clerk@example.com", role=User.Role.EMPLOYEE)
    employ("Pandit Old", is_active=False)
    Priest.objects.create(name="Pandit Without")

    window, page = "/api/accounts/admin/employees/", f"{BOOKINGS}employees/"
    desk.get(window)
    with django_assert_num_queries(3):  # the session, its rate, the rows
        rows = desk.get(window).json()
    assert {row["id"] for row in rows} == {account, customer.pk}
    assert {(row["username"], row["role"], row["is_active"]) for row in rows} == {
        ("Pandit Ravi", "EMPLOYEE", True),
        ("Pandit Gopal", "EMPLOYEE", True),
    }
    with django_assert_num_queries(3):
        listed = desk.get(page).json()
    assert {row["id"] for row in listed} > {account, customer.pk, clerk.pk}
    assert alice.pk not in {row["id"] for row in listed}
    assert all(row["email"] and row["username"] for row in listed)


def test_figures_count_who_has_a_priest(desk, booking, alice, slot, package, django_assert_num_queries):
    type(slot).objects.update(capacity=9)
    _priest, account = employ()
    assign(desk, booking, account)
    without = Priest.objects.create(name="Pandit Without", email="without@example.com")
    done = buy(alice, package)
    Assignment.objects.create(
        booking=done, priest=without, begins=done.starts_at, ends=done.starts_at + timedelta(hours=1)
    )
    Booking.objects.filter(pk=done.pk).update(status="COMPLETED")
    buy(alice, package)
    change(desk, buy(alice, package), "REJECTED", rejection_reason="closed")

    figures = desk.get(f"{DESK}dashboard/").json()["overview"]
    assert (figures["assigned_bookings"], figures["unassigned_bookings"]) == (2, 1)
    assert figures["active_employees"] == 1
    with django_assert_num_queries(4):  # the session, its rate, the counts, the priests
        report = desk.get(f"{DESK}reports/", {"report_type": "assignments"}).json()["data"]
    rows = report.pop("employee_performance")
    assert report == {
        "total_bookings": 4,
        "assigned_bookings": 2,
        "unassigned_bookings": 1,
        "assignment_rate": 66.7,
    }
    assert rows == [
        {
            "employee_id": account,
            "name": "Pandit Ravi",
            "email": "ravi@example.com",
            "total_assigned": 1,
            "completed": 0,
            "completion_rate": 0.0,
        },
        {
            "employee_id": None,
            "name": "Pandit Without",
            "email": "without@example.com",
            "total_assigned": 1,
            "completed": 1,
            "completion_rate": 100.0,
        },
    ]


# --- Figures -----------------------------------------------------------------------------------


def test_the_dashboard_counts_bookings_and_the_money_of_the_ledger(desk, alice, charlie, package):
    buy(alice, package, starts_at=timezone.now() - timedelta(hours=2))
    buy(charlie, package)
    rejected = buy(charlie, package)
    old = buy(alice, package)
    Booking.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=40))
    change(desk, rejected, "REJECTED", rejection_reason="closed")
    refund = Refund.objects.get()
    LedgerEntry.objects.create(
        payment=refund.payment,
        attempt=refund.attempt,
        kind=LedgerEntry.Kind.REFUND,
        amount_paise=-110_000,
        reference="R",
    )
    answer = desk.get(f"{DESK}dashboard/?days=30").json()

    assert answer["overview"] == answer["data"]["overview"]
    figures = answer["overview"]
    assert (figures["total_bookings"], figures["confirmed_bookings"], figures["rejected_bookings"]) == (
        3,
        2,
        1,
    )
    assert (figures["overdue_bookings"], figures["cancelled_bookings"]) == (1, 0)
    assert (figures["total_revenue"], figures["average_booking_value"]) == ("2200.00", "733.33")
    assert desk.get(f"{DESK}dashboard/").json()["overview"]["total_bookings"] == 4
    recent = answer["recent_bookings"]
    assert [row["is_overdue"] for row in recent] == [False, False, True]
    assert {"user_name", "selected_date", "total_amount", "booking_age", "status"} <= recent[0].keys()


def test_reports_have_rates_as_numbers(desk, alice, package):
    done, _ = buy(alice, package), buy(alice, package)
    Booking.objects.filter(pk=done.pk).update(status="COMPLETED")

    def report(kind, **query):
        answer = desk.get(f"{DESK}reports/", {"report_type": kind, **query})
        assert answer.status_code == 200, answer.json()
        return answer.json()["data"]

    revenue, today = report("revenue"), timezone.localdate().isoformat()
    assert (revenue["total_revenue"], revenue["total_bookings"]) == ("2200.00", 2)
    assert revenue["daily_breakdown"] == {today: {"revenue": "2200.00", "bookings": 2}}
    performance = report("performance")
    assert (performance["completion_rate"], performance["cancellation_rate"]) == (50.0, 0.0)
    assert performance["status_breakdown"]["completed"] == {
        "display_name": "Completed",
        "count": 1,
        "percentage": 50.0,
    }
    assert report("revenue", start_date="2025-01-01", end_date="2025-02-01")["total_bookings"] == 0
    nobody = report("performance", start_date="2025-01-01", end_date="2025-02-01")
    assert (nobody["completion_rate"], nobody["cancellation_rate"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "query",
    ["days=0", "days=x", "days=99999999999"],
)
def test_a_span_that_is_none_is_refused(desk, query):
    assert desk.get(f"{DESK}dashboard/?{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "report_type=secrets",
        "start_date=2026-02-01&end_date=2026-01-01",
        "start_date=0001-01-01&end_date=0001-01-02",
        "end_date=9999-12-31",
        "start_date=2001-01-01",
    ],
)
def test_a_period_that_is_none_is_refused(desk, query):
    assert desk.get(f"{DESK}reports/?{query}").status_code == 400


# --- Rights ------------------------------------------------------------------------------------


def test_looking_and_changing_are_two_rights(api, alice, booking):
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    reads = [BOOKINGS, f"{DESK}dashboard/", f"{DESK}reports/"]
    writes = [("patch", f"{BOOKINGS}{booking.pk}/status/"), ("post", f"{BOOKINGS}{booking.pk}/reschedule/")]

    def codes(client):
        got = {client.get(path).status_code for path in reads}
        return got, {getattr(client, method)(path, {}).status_code for method, path in writes}

    assert codes(api()) == ({401}, {401})
    assert codes(api(alice)) == codes(api(clerk)) == ({403}, {403})
    give(clerk, "booking.view_booking")
    assert codes(api(clerk)) == ({200}, {403})
    give(clerk, "booking.change_booking")
    assert codes(api(clerk)) == ({200}, {400})


@pytest.mark.parametrize(("role", "seen"), [("Coordinator", None), ("Support", "1100.00")])
def test_sums_are_for_those_who_may_see_payments(api, booking, role, seen):
    client = api(builders.make_staff(role))
    figures, report = (client.get(f"{DESK}{page}/").json() for page in ("dashboard", "reports"))
    [day] = report["data"]["daily_breakdown"].values()
    rows = (*figures["recent_bookings"], *client.get(BOOKINGS).json())
    figures = [*figures["overview"].items(), *report["data"].items(), *day.items()]
    revenue = [value for name, value in figures if name.endswith(("revenue", "value"))]

    assert {*revenue, *(row["total_amount"] for row in rows)} == {seen}


def test_to_see_priests_and_to_assign_them_are_two_rights(api, alice, booking):
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    path = f"{BOOKINGS}{booking.pk}/assign/"

    def codes(client):
        reads = {
            client.get(each).status_code
            for each in (f"{BOOKINGS}employees/", "/api/accounts/admin/employees/")
        }
        return reads, {getattr(client, method)(path, {}).status_code for method in ("patch", "post")}

    assert codes(api()) == ({401}, {401})
    assert codes(api(alice)) == codes(api(clerk)) == ({403}, {403})
    give(clerk, "booking.view_priest")
    assert codes(api(clerk)) == ({200}, {403})
    give(clerk, "booking.add_assignment")
    assert codes(api(clerk)) == ({200}, {400})

"""Filters that a person keeps above the lists of bookings and payments."""

from datetime import datetime
from urllib.parse import urlencode, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from backoffice.models import SavedFilter
from backoffice.views.filters import kept_query, list_query
from tests.harness import builders
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db(transaction=True)
SAVE = reverse("desk:save-filter")
BOOKINGS, PAYMENTS = (reverse(f"admin:{name}_changelist") for name in ("booking_booking", "payment_payment"))


def keep(client, name="Cancelled", table="booking_booking", query="status__exact=CANCELLED"):
    return client.post(SAVE, {"table": table, "name": name, "query": query})


def names_on(client, page=BOOKINGS, query=""):
    shown = client.get(f"{page}?{query}").content.decode()
    return [name for name in ("Cancelled", "Open") if f">{name}</a>" in shown]


def test_a_filter_is_kept_for_its_person_and_its_list_alone(desk):
    support, other = desk("Support"), desk("Owner")
    assert 'name="query" value="status__exact=CANCELLED"' in (
        support.get(f"{BOOKINGS}?status__exact=CANCELLED&p=2&q=asha").content.decode()
    )
    answer = keep(support, query="status__exact=CANCELLED&q=9876543210&p=3")
    assert urlsplit(answer.url).query == "status__exact=CANCELLED"
    assert SavedFilter.objects.get().query == "status__exact=CANCELLED"  # nobody's phone is kept

    assert (names_on(support), names_on(support, PAYMENTS), names_on(other)) == (["Cancelled"], [], [])
    assert support.get(f"{BOOKINGS}?{urlsplit(answer.url).query}").status_code == 200


@pytest.mark.parametrize(
    ("since", "until", "kept", "later"),
    [
        ("2026-11-28", "2026-12-05", "days:0:7", ("2026-12-01", "2026-12-08")),
        ("2026-11-01", "2026-12-01", "months:0:1", ("2026-12-01", "2027-01-01")),
        ("2026-10-01", "2026-11-01", "months:-1:0", ("2026-11-01", "2026-12-01")),
        ("2026-01-01", "2027-01-01", "years:0:1", ("2026-01-01", "2027-01-01")),
    ],
)
def test_a_span_of_days_is_counted_from_the_day_of_looking(since, until, kept, later, monkeypatch):
    def query(*days):
        return urlencode(
            {
                f"starts_at__{bound}": f"{day} 00:00:00+05:30"
                for bound, day in zip(("gte", "lt"), days, strict=True)
            }
        )

    def today(moment):
        monkeypatch.setattr(timezone, "now", lambda: datetime.fromisoformat(moment))

    today("2026-11-28T09:00:00+05:30")
    stored = kept_query(f"{query(since, until)}&status__exact=CONFIRMED")
    assert stored == urlencode({"status__exact": "CONFIRMED", "starts_at__span": kept})
    today("2026-12-01T00:10:00+05:30")
    assert list_query(stored) == f"status__exact=CONFIRMED&{query(*later)}"
    assert kept_query(list_query(stored)) == stored  # it is shown as the one that is chosen


@pytest.mark.parametrize("value", ["days:0", "days:1:99999", "weeks:0:1", "x"])
def test_a_span_that_nobody_kept_is_left_out(value):
    assert list_query(f"status__exact=CONFIRMED&starts_at__span={value}") == "status__exact=CONFIRMED"


def test_the_same_name_again_changes_it_and_it_is_removed_by_its_person_only(desk):
    support, other = desk("Support"), desk("Support")
    keep(support)
    keep(support, query="status__exact=COMPLETED")
    kept = SavedFilter.objects.get()
    forget = reverse("desk:forget-filter", args=[kept.pk])

    assert kept.query == "status__exact=COMPLETED"
    assert forget in support.get(f"{BOOKINGS}?status__exact=COMPLETED").content.decode()
    other.post(forget, {"table": "booking_booking"})
    assert SavedFilter.objects.filter(pk=kept.pk).exists()
    for _ in range(2):
        assert support.post(forget, {"table": "booking_booking"}).status_code == 302
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize(
    ("role", "sent", "status"),
    [
        ("Coordinator", {"table": "payment_payment"}, 403),
        ("Support", {"table": "accounts_user"}, 302),
        ("Support", {"name": ""}, 302),
        ("Support", {"name": "x" * 41}, 302),
        ("Support", {"query": "status=" + "x" * 500}, 302),
        ("Support", {"query": "status=" + "ö" * 400}, 302),  # more than the column holds, when it is encoded
    ],
)
def test_what_is_no_filter_of_such_a_list_is_not_kept(role, sent, status, desk):
    assert keep(desk(role), **sent).status_code == status
    assert not SavedFilter.objects.exists()


def test_a_person_keeps_twenty_of_a_list(desk):
    client = desk("Support")
    for number in range(22):
        keep(client, name=f"Filter {number}")

    assert SavedFilter.objects.count() == 20


def test_the_lists_name_puja_and_customer_and_lead_to_the_case(desk, package, django_assert_max_num_queries):
    person = builders.make_user(first_name="Asha", last_name="Lakhotia")
    booking, client = book(person, package, builders.in_days(3)), desk("Owner")
    case = reverse("desk:case", args=[booking.book_id])
    for address in (BOOKINGS, PAYMENTS):
        page = client.get(address).content.decode()
        assert "Griha Pravesh" in page
        assert "Asha Lakhotia" in page
    assert case in client.get(BOOKINGS).content.decode()
    with django_assert_max_num_queries(12) as few:
        client.get(BOOKINGS)
    for _ in range(3):
        book(person, package, builders.in_days(3))
    with django_assert_max_num_queries(len(few)):
        client.get(BOOKINGS)

"""Promo codes as today's admin pages make, change, remove and export them."""

import csv
from io import StringIO

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from booking.models import PromoCode
from booking.services import book
from booking.services.promo_codes import figures, with_use
from booking.services.promos import repair_sums, wrong_sums
from payment.services.monitoring import run_checks
from tests.harness import builders

pytestmark = pytest.mark.django_db

CODES = "/api/promo/admin/promos/"
Kind = PromoCode.CodeType


@pytest.fixture
def desk(api, staff):
    return api(staff)


def form(**more):
    """What the page sends."""
    fields = {"code": "DIWALI", "description": "For Diwali", "discount": "10", "discount_type": "PERCENT"}
    fields |= {"expiry_date": builders.in_days(30).isoformat(), "code_type": "PUBLIC", "is_active": True}
    return fields | more


def test_a_code_is_made_and_answered_as_its_row(desk, package):
    ends = builders.in_days(30)
    answer = desk.post(CODES, form(min_order_amount="500", max_discount_amount="200.50", usage_limit=5))

    assert answer.status_code == 201, answer.json()
    promo = PromoCode.objects.get()
    assert (promo.percent, promo.amount_paise, promo.min_order_paise) == (10, None, 50_000)
    assert (promo.max_discount_paise, promo.usage_limit, promo.expires_at) == (20_050, 5, ends)
    (row,) = desk.get(CODES).json()["results"]
    assert row == answer.json()
    assert parse_datetime(row.pop("expiry_date")) == ends
    assert [row.pop(name) is not None for name in ("start_date", "created_at", "updated_at")] == [True] * 3
    assert row == {
        "id": promo.pk,
        "code": "DIWALI",
        "description": "For Diwali",
        "discount": "10.00",
        "discount_type": "PERCENT",
        "min_order_amount": "500.00",
        "max_discount_amount": "200.50",
        "usage_limit": 5,
        "usage_count": 0,
        "code_type": "PUBLIC",
        "service_type": "puja",
        "is_active": True,
    }


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"discount": "12.5"}, "discount"),
        ({"discount": "101"}, "discount"),
        ({"discount": "0"}, "discount"),
        ({"discount": "NaN"}, "discount"),
        ({"discount": "100"}, "discount"),  # nothing would be left to pay
        ({"code": "di wali"}, "code"),
        ({"code": "TAKEN"}, "code"),
        ({"code_type": "SERVICE_SPECIFIC", "service_type": "astrology"}, "service_type"),
        ({"expiry_date": "2020-01-01T00:00:00Z"}, "expiry_date"),
        ({"usage_limit": 0}, "usage_limit"),
        ({"assigned_users": [10**9]}, "assigned_users"),
        ({"description": "see www.example.com"}, "description"),
    ],
)
def test_a_code_that_nobody_could_use_is_refused_with_a_sentence(desk, package, wrong, field):
    builders.make_promo("TAKEN")
    answer = desk.post(CODES, form(**wrong), format="json")

    assert answer.status_code == 400, answer.json()
    assert [*answer.json()["fields"]] == [field]
    assert answer.json()["detail"]
    assert PromoCode.objects.count() == 1


def test_a_code_above_every_price_is_refused(desk, package):
    answer = desk.post(CODES, form(discount_type="FIXED", discount="5000"))

    assert (answer.status_code, answer.json()["fields"].keys()) == (400, {"__all__"})
    assert "₹1,100.00" in answer.json()["detail"]


def test_a_change_leaves_what_it_does_not_name(desk, package):
    promo = builders.make_promo("TEN", usage_limit=7, used_count=3, code_type=Kind.FIRST_ORDER)
    row = desk.get(CODES).json()["results"][0]
    answer = desk.patch(f"{CODES}{promo.pk}/", row | {"is_active": False}, format="json")
    promo.refresh_from_db()

    assert (answer.status_code, promo.is_active) == (200, False)
    assert (promo.usage_limit, promo.used_count, promo.percent) == (7, 3, 10)
    assert promo.code_type == Kind.FIRST_ORDER  # the page knows no such word, and sends back PUBLIC
    assert promo.expires_at is None  # shown as the last day there is
    assert desk.patch(f"{CODES}{promo.pk}/", {"usage_limit": None}, format="json").status_code == 200
    promo.refresh_from_db()
    assert promo.usage_limit is None


def test_the_kind_of_discount_changes_with_its_amount(desk, package):
    promo = builders.make_promo("TEN")
    alone = desk.patch(f"{CODES}{promo.pk}/", {"discount_type": "FIXED"})
    both = desk.patch(f"{CODES}{promo.pk}/", {"discount_type": "FIXED", "discount": "150.50"})
    promo.refresh_from_db()

    assert (alone.status_code, both.status_code) == (400, 200)
    assert (promo.discount_type, promo.percent, promo.amount_paise) == ("FIXED", None, 15_050)


def test_whom_a_code_is_for_can_be_said(desk, alice, package):
    made = desk.post(CODES, form(code_type="ASSIGNED", assigned_users=[alice.pk]), format="json")

    assert (made.status_code, made.json()["code_type"]) == (201, "ASSIGNED")
    assert [*PromoCode.objects.get().assigned_users.all()] == [alice]


def test_a_used_code_is_switched_off_and_an_unused_one_is_deleted(desk, alice, package):
    used, unused = builders.make_promo("USED"), builders.make_promo("UNUSED")
    book(builders.make_checkout(builders.make_cart(alice, package, promo_code="USED")))

    assert [desk.delete(f"{CODES}{promo.pk}/").status_code for promo in (used, unused)] == [204, 204]
    (left,) = PromoCode.objects.all()
    assert (left.code, left.is_active, left.used_count) == ("USED", False, 1)


def test_a_batch_of_codes_cannot_be_guessed(desk, api, alice, package):
    body = {"prefix": "TEMPLE", "count": 100, "discount": "50", "discount_type": "FIXED", "usage_limit": 1}
    answer = desk.post(f"{CODES}bulk-create/", body | {"expiry_date": builders.in_days(9).isoformat()})

    assert (answer.status_code, answer.json()["count"]) == (201, 100)
    codes = PromoCode.objects.values_list("code", flat=True)
    assert sorted(codes) == sorted(answer.json()["codes"])
    assert {(len(code), code[:6]) for code in codes} == {(16, "TEMPLE")}
    # At each of the ten places, a hundred codes have many letters: none of them counts up.
    assert min(len({code[place] for code in codes}) for place in range(6, 16)) > 10
    assert {*PromoCode.objects.values_list("code_type", "usage_limit", "amount_paise")} == {
        ("PRIVATE", 1, 5_000)
    }
    assert api(alice).get("/api/promo/user/promos/").json()["count"] == 0


@pytest.mark.parametrize(
    "wrong", [{"count": 101}, {"count": 0}, {"prefix": "X" * 21}, {"prefix": "a b"}, {"usage_limit": 0}]
)
def test_a_batch_has_bounds(desk, wrong):
    body = {"prefix": "TEMPLE", "count": 2, "discount": "50", "discount_type": "FIXED", "usage_limit": 1}

    assert desk.post(f"{CODES}bulk-create/", body | wrong).status_code == 400
    assert not PromoCode.objects.exists()


def test_the_export_has_every_code_with_what_it_has_given(
    desk, alice, package, django_assert_max_num_queries
):
    builders.make_promo("TEN", description="=HYPERLINK(1)")
    book(builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN")))
    for number in range(20):
        builders.make_promo(f"CODE{number}")
    with django_assert_max_num_queries(8):
        answer = desk.get(f"{CODES}export/", HTTP_ACCEPT="text/csv")
        text = b"".join(answer.streaming_content).decode()

    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="promo-codes.csv"'
    rows = [*csv.DictReader(StringIO(text.lstrip("\ufeff")))]
    assert len(rows) == 21
    ten = rows[0]
    assert (ten["description"], ten["discount"], ten["used"]) == ("'=HYPERLINK(1)", "10 %", "1")
    assert (ten["taken off (₹)"], ten["paid with it (₹)"]) == ("110.00", "990.00")


def test_the_use_of_each_code(alice, charlie, package):
    builders.make_promo("TEN")
    builders.make_promo("UNUSED")
    for person in (alice, charlie):
        book(builders.make_checkout(builders.make_cart(person, package, promo_code="TEN")))
    found = {row.code: (row.given_paise, row.sold_paise) for row in with_use(PromoCode.objects.all())}

    assert found == {"TEN": (22_000, 198_000), "UNUSED": (0, 0)}


def test_uses_that_an_older_release_counted_are_added_up_by_the_worker(alice, charlie, package):
    """It wrote no sums. The desk's figures are right before and after, and a use that is counted now is not lost."""
    builders.make_promo("TEN")
    book(builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN")))
    PromoCode.objects.update(summed_count=0, summed_discount_paise=0, summed_total_paise=0)
    book(builders.make_checkout(builders.make_cart(charlie, package, promo_code="TEN")))

    def shown():
        row = with_use(PromoCode.objects.all()).get()
        return row.given_paise, row.sold_paise, figures()["total_usage"], figures()["total_discount_given"]

    assert wrong_sums().exists()
    assert shown() == (22_000, 198_000, 2, 22_000)
    run_checks(0)
    promo = PromoCode.objects.get()
    assert (promo.summed_count, promo.summed_discount_paise, promo.summed_total_paise) == (2, 22_000, 198_000)
    assert shown() == (22_000, 198_000, 2, 22_000)
    assert not wrong_sums().exists()


@pytest.mark.parametrize("counts_sums", [True, False], ids=["by this release", "by the last one"])
def test_a_use_that_is_counted_while_the_sums_are_repaired_is_kept(alice, charlie, package, counts_sums):
    """No checkout waits for the sum of a year. What the last release counts meanwhile is left to the next minute."""
    builders.make_promo("TEN")
    book(builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN")))
    PromoCode.objects.update(summed_count=0, summed_discount_paise=0, summed_total_paise=0)
    later = builders.make_checkout(builders.make_cart(charlie, package, promo_code="TEN"))
    meanwhile = [later]

    def book_before_the_sums_are_written(execute, sql, params, many, context):
        if meanwhile:
            assert "FOR NO KEY UPDATE" not in sql
        if meanwhile and sql.startswith('UPDATE "booking_promocode"'):
            book(meanwhile.pop())
            if not counts_sums:
                PromoCode.objects.update(summed_count=0, summed_discount_paise=0, summed_total_paise=0)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(book_before_the_sums_are_written):
        repair_sums(PromoCode.objects.get().pk)
    assert not meanwhile
    assert wrong_sums().exists() is not counts_sums
    repair_sums(PromoCode.objects.get().pk)
    promo = PromoCode.objects.get()
    assert (promo.summed_count, promo.summed_discount_paise, promo.summed_total_paise) == (2, 22_000, 198_000)
    assert not wrong_sums().exists()


def test_figures_are_read_from_the_code_and_not_from_all_bookings(package):
    promo = builders.make_promo("TEN")
    PromoCode.objects.filter(pk=promo.pk).update(used_count=3, summed_count=3, summed_discount_paise=5)
    assert figures()["total_discount_given"] == 5


def test_only_who_has_the_right_changes_codes(api, alice, package):
    promo = builders.make_promo("TEN")
    calls = {
        "post": ("", "bulk-create/"),
        "patch": (f"{promo.pk}/",),
        "delete": (f"{promo.pk}/",),
        "get": ("", "export/", "stats/"),
    }
    for client, code in ((api(alice), 403), (api(), 401)):
        for method, paths in calls.items():
            assert {getattr(client, method)(f"{CODES}{path}").status_code for path in paths} == {code}
    assert timezone.now() > PromoCode.objects.get().created_at

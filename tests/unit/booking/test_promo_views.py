"""The page of promo codes, and the verdict on one: each row of the contract of today's frontend."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from booking.models import PromoCode
from booking.services import book, release
from core.models import Counter
from tests.harness import builders

pytestmark = pytest.mark.django_db

MINE, HISTORY, VALIDATE = (
    f"/api/promo/{path}/" for path in ("user/promos", "user/promos/history", "promos/validate")
)
Kind = PromoCode.CodeType


@pytest.fixture
def mine(alice, api):
    return api(alice)


@pytest.fixture
def bought(alice, package):
    """A booking of Alice's with a code that takes 10 % off 1100.00."""

    def buy(code):
        return book(builders.make_checkout(builders.make_cart(alice, package, promo_code=code)))

    return buy


def codes(answer):
    assert answer.status_code == 200, answer.json()
    return [row["code"] for row in answer.json()["results"]]


# --- Mine --------------------------------------------------------------------------------------


def test_a_row_reads_as_the_page_expects(mine):
    ends = builders.in_days(20)
    promo = builders.make_promo(
        "TEN",
        description="For Diwali",
        min_order_paise=50_000,
        max_discount_paise=20_000,
        expires_at=ends,
        usage_limit=50,
    )
    answer = mine.get(f"{MINE}?page=1&limit=12&search=")

    assert {name: answer.json()[name] for name in ("count", "next", "previous")} == {
        "count": 1,
        "next": None,
        "previous": None,
    }
    (row,) = answer.json()["results"]
    assert parse_datetime(row.pop("expiry_date")) == ends
    assert parse_datetime(row.pop("start_date")) == promo.starts_at
    assert row == {
        "id": promo.pk,
        "code": "TEN",
        "description": "For Diwali",
        "discount": "10.00",
        "discount_type": "PERCENT",
        "min_order_amount": "500.00",
        "max_discount_amount": "200.00",
        "usage_limit": 50,
        "user_usage_count": 0,
        "code_type": "PUBLIC",
        "is_active": True,
        "is_used_by_user": False,
        "service_type": "puja",
    }


def test_a_code_without_bounds_reads_as_one_that_lasts(mine):
    builders.make_promo("FLAT", amount_paise=10_050)
    (row,) = mine.get(MINE).json()["results"]

    assert (row["discount"], row["discount_type"]) == ("100.50", "FIXED")
    assert (row["min_order_amount"], row["max_discount_amount"], row["usage_limit"]) == (None, None, None)
    assert row["expiry_date"].startswith("9999-12-30T")


def test_only_what_was_meant_for_them_is_listed(mine, alice, charlie):
    builders.make_promo("EVERYBODY")
    builders.make_promo("FIRST", code_type=Kind.FIRST_ORDER)
    builders.make_promo("OURS", code_type=Kind.USER_SPECIFIC).assigned_users.add(alice, charlie)
    builders.make_promo("CHARLIES", code_type=Kind.USER_SPECIFIC).assigned_users.add(charlie)
    builders.make_promo("NOBODYS", code_type=Kind.USER_SPECIFIC)
    builders.make_promo("SECRET", code_type=Kind.PRIVATE)
    builders.make_promo("ENDED", is_active=False)
    builders.make_promo("TOMORROW", starts_at=timezone.now() + timedelta(days=1))

    assert codes(mine.get(MINE)) == ["EVERYBODY", "FIRST", "OURS"]
    for query in ("search=SECRET", "search=CHARLIES", "code_type=ASSIGNED&search=NOBODYS", "status=used"):
        assert codes(mine.get(f"{MINE}?{query}")) == []
    assert codes(mine.get(f"{MINE}?code_type=ASSIGNED")) == ["OURS"]
    assert codes(mine.get(f"{MINE}?code_type=PUBLIC")) == ["EVERYBODY", "FIRST"]
    assert {row["code"]: row["code_type"] for row in mine.get(MINE).json()["results"]} == {
        "EVERYBODY": "PUBLIC",
        "FIRST": "PUBLIC",
        "OURS": "ASSIGNED",
    }


def test_a_private_code_is_theirs_once_they_have_used_it(mine, api, charlie, bought):
    builders.make_promo("SECRET", code_type=Kind.PRIVATE)
    bought("SECRET")
    (row,) = mine.get(f"{MINE}?status=used").json()["results"]

    assert (row["code"], row["user_usage_count"], row["is_used_by_user"], row["is_active"]) == (
        "SECRET",
        1,
        True,
        True,
    )
    assert codes(api(charlie).get(MINE)) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "available"),
        ({"usage_limit": 1}, "available"),
        ({"expires_at": timezone.now() - timedelta(hours=1), "starts_at": builders.in_days(-9)}, "expired"),
        ({"usage_limit": 1, "reserved_count": 1}, None),
        ({"usage_limit": 2, "reserved_count": 1, "used_count": 1}, None),
    ],
)
def test_a_code_is_available_as_long_as_a_cart_takes_it(mine, alice, package, fields, status):
    builders.make_promo("TEN", **fields)
    found = [word for word in ("available", "used", "expired") if codes(mine.get(f"{MINE}?status={word}"))]
    cart = builders.make_cart(alice, package)
    applied = mine.post(f"/api/cart/carts/{cart.pk}/apply_promo/", {"promo_code": "TEN"})

    assert found == ([status] if status else [])
    assert (
        mine.get(MINE).json()["results"][0]["is_active"]
        is (applied.status_code == 200)
        is (status == "available")
    )


def test_who_has_ordered_is_not_offered_a_code_for_the_first_order(mine, alice, package):
    builders.make_promo("FIRST", code_type=Kind.FIRST_ORDER)
    checkout = builders.make_checkout(builders.make_cart(alice, package))
    assert codes(mine.get(MINE)) == []
    release(checkout)
    assert codes(mine.get(MINE)) == ["FIRST"]


def test_a_code_that_was_taken_away_from_them_is_not_available(mine, alice, bought):
    ours = builders.make_promo("OURS", code_type=Kind.USER_SPECIFIC)
    ours.assigned_users.add(alice)
    bought("OURS")
    ours.assigned_users.clear()

    assert codes(mine.get(f"{MINE}?status=used")) == ["OURS"]
    assert codes(mine.get(f"{MINE}?status=available")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [("service_type=puja", 1), ("service_type=astrology", 0), ("search=diwali", 1), ("search=holi", 0)],
)
def test_the_list_is_narrowed(mine, query, found):
    builders.make_promo("TEN", description="For Diwali")
    assert len(codes(mine.get(f"{MINE}?{query}"))) == found


@pytest.mark.parametrize(
    "query", ["status=gone", "code_type=PRIVATE", "service_type=flowers", f"search={'a' * 101}"]
)
def test_an_unknown_filter_is_told(mine, query):
    assert mine.get(f"{MINE}?{query}").status_code == 400


def test_the_list_has_pages_of_the_size_that_is_asked_for(mine):
    for number in range(5):
        builders.make_promo(f"CODE{number}")
    first, last = (mine.get(f"{MINE}?page={page}&limit=3") for page in (1, 2))

    assert codes(first) + codes(last) == [f"CODE{number}" for number in range(5)]
    assert [bool(each.json()[end]) for each in (first, last) for end in ("previous", "next")] == [
        *(False, True),
        *(True, False),
    ]


def test_the_list_takes_as_many_queries_for_many_codes(mine, alice, charlie, django_assert_num_queries):
    def fill(names):
        for name in names:
            builders.make_promo(f"P{name}")
            builders.make_promo(f"A{name}", code_type=Kind.USER_SPECIFIC).assigned_users.add(alice, charlie)

    fill(range(1))
    mine.get(MINE)
    with django_assert_num_queries(5) as few:
        assert len(codes(mine.get(f"{MINE}?limit=100"))) == 2
    fill(range(1, 20))
    with django_assert_num_queries(len(few)):
        assert len(codes(mine.get(f"{MINE}?limit=100"))) == 40


# --- History -----------------------------------------------------------------------------------


def test_the_history_says_what_each_code_saved(mine, api, charlie, bought):
    builders.make_promo("TEN", description="For Diwali")
    booking = bought("TEN")
    (row,) = mine.get(HISTORY).json()

    assert parse_datetime(row.pop("used_at")) == booking.created_at
    assert row == {
        "id": booking.pk,
        "promo_code": {"code": "TEN", "description": "For Diwali"},
        "order_amount": "1100.00",
        "discount_amount": "110.00",
        "order_id": booking.book_id,
    }
    assert api(charlie).get(HISTORY).json() == []


def test_the_history_keeps_what_was_agreed(mine, bought):
    promo = builders.make_promo("TEN", description="For Diwali")
    bought("TEN")
    PromoCode.objects.filter(pk=promo.pk).update(code="OTHER", description="", is_active=False)

    assert mine.get(HISTORY).json()[0]["promo_code"] == {"code": "TEN", "description": "For Diwali"}


def test_a_code_that_is_only_reserved_is_not_used(mine, alice, package):
    builders.make_promo("TEN")
    builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN"))

    assert mine.get(HISTORY).json() == []
    assert codes(mine.get(f"{MINE}?status=used")) == []


def test_the_history_takes_as_many_queries_for_many_bookings(mine, alice, bought, django_assert_num_queries):
    builders.make_promo("TEN")
    bought("TEN")
    mine.get(HISTORY)
    with django_assert_num_queries(3):
        mine.get(HISTORY)
    for _ in range(4):
        bought("TEN")
    with django_assert_num_queries(3):
        assert len(mine.get(HISTORY).json()) == 5


# --- Validate ----------------------------------------------------------------------------------


def test_a_good_code_is_answered_with_what_it_takes_off_as_a_number(mine):
    promo = builders.make_promo("TEN")
    answer = mine.get(f"{VALIDATE}?code=ten&order_amount=1100.50")

    assert answer.status_code == 200
    assert (answer.json()["valid"], answer.json()["message"]) == (True, "This promo code takes ₹110.05 off.")
    assert answer.json()["discount_amount"] == 110.05
    assert type(answer.json()["discount_amount"]) is float
    assert answer.json()["promo"]["id"] == promo.pk
    assert answer.json()["promo"]["discount_type"] == "PERCENT"


def test_without_an_amount_the_price_is_that_of_the_cart(mine, alice, package):
    builders.make_promo("TEN")
    assert mine.get(f"{VALIDATE}?code=TEN").json()["message"] == "This promo code takes 10 % off."
    builders.make_cart(alice, package)
    assert mine.get(f"{VALIDATE}?code=TEN").json()["discount_amount"] == 110.0


def test_a_fixed_amount_is_known_without_a_price(mine):
    builders.make_promo("FLAT", amount_paise=10_050)
    assert mine.get(f"{VALIDATE}?code=FLAT").json()["discount_amount"] == 100.5


WRONG = [
    ("NOSUCH", {}),
    ("OFF", {"is_active": False}),
    ("CHARLIES", {"code_type": Kind.USER_SPECIFIC}),
    ("FIRST", {"code_type": Kind.FIRST_ORDER}),
    ("LATER", {"starts_at": timezone.now() + timedelta(days=1)}),
    ("OVER", {"expires_at": timezone.now() - timedelta(hours=1), "starts_at": builders.in_days(-9)}),
    ("TAKEN", {"usage_limit": 1, "used_count": 1}),
    ("DEAR", {"min_order_paise": 110_001}),
    ("ALL", {"percent": 100, "max_discount_paise": None}),
    ("SECRET", {"code_type": Kind.PRIVATE}),
    ("EVERYBODY", {}),
]


@pytest.mark.parametrize(("code", "fields"), WRONG)
def test_the_verdict_is_that_of_the_cart(mine, alice, package, code, fields):
    """For every kind of refusal, in the same words."""
    book(builders.make_checkout(builders.make_cart(alice, package)))
    if code != "NOSUCH":
        builders.make_promo(code)
        PromoCode.objects.filter(code=code).update(**fields)
    cart = builders.make_cart(alice, package)
    applied = mine.post(f"/api/cart/carts/{cart.pk}/apply_promo/", {"promo_code": code})
    asked = mine.get(f"{VALIDATE}?code={code}&order_amount=1100")

    assert asked.status_code == 200
    assert asked.json()["valid"] is (applied.status_code == 200)
    if applied.status_code == 200:
        saved = 1100 - float(applied.json()["total_price"])
        assert asked.json()["discount_amount"] == saved
    else:
        refused = applied.json()
        assert (asked.json()["message"], asked.json()["user_message"]) == (
            refused["detail"],
            refused["user_message"],
        )
        assert (asked.json()["discount_amount"], asked.json()["promo"]) == (0, None)


def test_a_refusal_is_in_the_language_of_the_reader_too(mine):
    answer = mine.get(f"{VALIDATE}?code=NOSUCH", HTTP_ACCEPT_LANGUAGE="hi").json()

    assert answer["message"] == "This promo code does not exist."
    assert answer["user_message"] != answer["message"]


@pytest.mark.parametrize(
    "query", ["", "code=", "code=%00", "code=TEN&order_amount=much", "code=TEN&order_amount=-1"]
)
def test_a_question_that_makes_no_sense_is_told_in_message(mine, query):
    answer = mine.get(f"{VALIDATE}?{query}")

    assert answer.status_code == 400
    assert answer.json()["message"]


def test_guesses_are_counted_with_those_at_the_cart(mine, alice, package):
    """Ten in an hour; then the right code is not looked at either."""
    builders.make_promo("TEN")
    cart = builders.make_cart(alice, package)
    guesses = [mine.get(f"{VALIDATE}?code=WRONG{number}").status_code for number in range(5)]
    guesses += [
        mine.post(f"/api/cart/carts/{cart.pk}/apply_promo/", {"promo_code": f"WRONG{number}"}).status_code
        for number in range(5)
    ]
    refused = mine.get(f"{VALIDATE}?code=TEN")

    assert guesses == [200] * 5 + [400] * 5
    assert refused.status_code == 429
    assert refused.json()["message"]


def test_a_right_code_is_no_guess(mine):
    builders.make_promo("TEN")
    mine.get(f"{VALIDATE}?code=TEN")
    assert [each.count for each in Counter.objects.filter(scope="promo user")] == [0]


def test_a_verdict_changes_nothing(mine, alice, package):
    promo = builders.make_promo("TEN", usage_limit=1)
    cart = builders.make_cart(alice, package)
    for _ in range(3):
        assert mine.get(f"{VALIDATE}?code=TEN").json()["valid"] is True
    cart.refresh_from_db()
    promo.refresh_from_db()

    assert (cart.promo_code, promo.reserved_count, promo.used_count) == (None, 0, 0)


# --- Staff -------------------------------------------------------------------------------------

DESK = "/api/promo/admin/promos/"


def test_staff_see_every_code_with_its_uses(api, staff, bought):
    promo = builders.make_promo("SECRET", code_type=Kind.PRIVATE, usage_limit=5)
    bought("SECRET")
    answer = api(staff).get(f"{DESK}?page=1&limit=10&search=")
    (row,) = answer.json()["results"]

    assert answer.json()["count"] == 1
    for name in ("start_date", "expiry_date", "created_at", "updated_at"):
        assert parse_datetime(row.pop(name))
    assert row == {
        "id": promo.pk,
        "code": "SECRET",
        "description": "",
        "discount": "10.00",
        "discount_type": "PERCENT",
        "min_order_amount": None,
        "max_discount_amount": None,
        "usage_limit": 5,
        "usage_count": 1,
        "code_type": "PRIVATE",
        "is_active": True,
        "service_type": "puja",
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=active", ["FLAT", "ASKED"]),
        ("status=inactive", ["OFF"]),
        ("status=expired", ["OVER"]),
        ("discount_type=FIXED", ["FLAT"]),
        ("code_type=ASSIGNED", ["ASKED"]),
        ("code_type=SERVICE_SPECIFIC", []),
        ("search=fl", ["FLAT"]),
    ],
)
def test_staff_narrow_the_list(api, staff, query, found):
    builders.make_promo("OFF", is_active=False)
    builders.make_promo(
        "OVER", expires_at=timezone.now() - timedelta(hours=1), starts_at=builders.in_days(-9)
    )
    builders.make_promo("ASKED", code_type=Kind.USER_SPECIFIC)
    builders.make_promo("FLAT", amount_paise=100)

    assert codes(api(staff).get(f"{DESK}?{query}")) == found


def test_the_figures_count_what_was_given(api, staff, alice, package, bought):
    builders.make_promo("TEN")
    builders.make_promo(
        "OVER", expires_at=timezone.now() - timedelta(hours=1), starts_at=builders.in_days(-9)
    )
    bought("TEN")
    builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN"))  # not paid

    assert api(staff).get(f"{DESK}stats/").json() == {
        "total_promos": 2,
        "active_promos": 1,
        "expired_promos": 1,
        "total_usage": 1,
        "total_discount_given": "110.00",
    }


def test_a_code_that_staff_switched_off_stays_in_the_list_of_used_ones(mine, bought):
    promo = builders.make_promo("TEN")
    builders.make_promo("UNUSED", is_active=False)
    bought("TEN")
    PromoCode.objects.filter(pk=promo.pk).update(is_active=False)

    assert codes(mine.get(f"{MINE}?status=used")) == ["TEN"]
    assert mine.get(f"{MINE}?status=used").json()["results"][0]["is_active"] is False
    assert codes(mine.get(f"{MINE}?status=available")) == []


@pytest.mark.parametrize(("most", "paise"), [(None, 500), (30_000, 300), (70_000, 500)])
def test_an_amount_is_not_above_its_maximum_before_there_is_a_cart(mine, most, paise):
    builders.make_promo("FLAT", amount_paise=50_000, max_discount_paise=most)

    assert mine.get(f"{VALIDATE}?code=FLAT").json()["discount_amount"] == paise

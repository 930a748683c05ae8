"""A person's cart over HTTP, as the frontend uses it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Cart, Package, Slot
from booking.services import book
from tests.harness import builders

CARTS = "/api/cart/carts/"


def choice(package, **changes):
    return {
        "service_type": "PUJA",
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": builders.in_days(3).date().isoformat(),
        "selected_time": "10:00",
    } | changes


@pytest.fixture
def mine(alice, api):
    return api(alice)


@pytest.fixture
def cart(alice, package):
    return builders.make_cart(alice, package)


# --- Filling -----------------------------------------------------------------------------------


def test_a_cart_reads_as_the_frontend_expects(mine, alice, package):
    builders.make_promo()
    answer = mine.post(CARTS, choice(package, promo_code="welcome10"))
    assert answer.status_code == 201
    wire = answer.json()
    assert set(wire) == {
        *("id", "cart_id", "user", "service_type", "puja_service", "package", "astrology_service"),
        *("selected_date", "selected_time", "promo_code", "status", "created_at", "updated_at"),
        *("total_price", "can_delete"),
        *("devotee_names", "gotra", "nakshatra", "people", "wishes"),
    }
    assert (wire["user"], wire["status"], wire["can_delete"]) == (alice.pk, "ACTIVE", True)
    assert (wire["selected_time"], wire["total_price"]) == ("10:00", "990.00")
    assert wire["puja_service"]["category_detail"]["name"] == "Festivals"
    assert wire["package"]["price"] == "1100.00"
    assert wire["astrology_service"] is None
    assert mine.get(f"{CARTS}active/").json() == wire
    assert mine.get(CARTS).json() == [wire]
    assert mine.get(f"{CARTS}{wire['id']}/").json() == wire


def test_a_promo_code_reads_as_the_frontend_expects(mine, package):
    builders.make_promo("TEN", min_order_paise=50_000, max_discount_paise=50_000, description="10 % off")
    builders.make_promo("FLAT", amount_paise=10_050)
    (ten, flat) = (
        mine.post(CARTS, choice(package, promo_code=code)).json()["promo_code"] for code in ("TEN", "FLAT")
    )
    del ten["id"]
    assert ten == {
        "code": "TEN",
        "description": "10 % off",
        "discount": "10",
        "discount_type": "PERCENTAGE",
        "min_order_amount": "500.00",
        "max_discount_amount": "500.00",
        "is_valid": True,
        "validity_message": "",
    }
    assert (flat["discount"], flat["discount_type"], flat["max_discount_amount"]) == ("100.50", "FIXED", None)


@pytest.mark.parametrize(
    ("spelling", "read"),
    [
        ("16:30", "16:30"),
        ("16:30:00", "16:30"),
        ("04:30 PM", "16:30"),
        ("4:30pm", "16:30"),
        ("07:15 AM", "07:15"),
    ],
)
def test_a_time_may_be_spelled_in_two_ways(mine, package, spelling, read):
    answer = mine.post(CARTS, choice(package, selected_time=spelling))
    assert (answer.status_code, answer.json()["selected_time"]) == (201, read)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"selected_time": "half past four"}, "selected_time"),
        ({"selected_time": "25:00"}, "selected_time"),
        ({"selected_time": "16:30 PM"}, "selected_time"),
        ({"selected_time": ""}, "selected_time"),
        ({"selected_time": None}, "selected_time"),
        ({"selected_time": 1630}, "selected_time"),
        ({"selected_time": "05:00"}, "selected_time"),
        ({"selected_date": "24/07/2026"}, "selected_date"),
        ({"selected_date": "2026-02-30"}, "selected_date"),
        ({"selected_date": "2020-01-01"}, "selected_date"),
        ({"selected_date": "0001-01-01"}, "selected_date"),
        ({"selected_date": "9999-12-31"}, "selected_date"),
        ({"selected_date": 20260101}, "selected_date"),
        ({"puja_service": 10**30}, "puja_service"),
        ({"puja_service": "7d6f2c0e-1111-4222-8333-444455556666"}, "puja_service"),
        ({"package_id": 0}, "package_id"),
        ({"package_id": [1]}, "package_id"),
        ({"package_id": 1e300}, "package_id"),
        ({"service_type": "ASTROLOGY"}, "service_type"),
        ({"promo_code": "NOSUCH"}, "promo_code"),
        ({"promo_code": "\x00"}, "promo_code"),
    ],
)
def test_a_wrong_choice_is_told_at_its_field_and_the_cart_stays(mine, cart, package, wrong, field):
    answer = mine.post(CARTS, choice(package, **wrong))
    assert answer.status_code == 400
    wire = answer.json()
    assert list(wire["fields"]) == [field]
    assert next(iter(wire)) == "error"
    assert wire["error"] == wire["detail"] == wire[field][0]
    assert mine.get(f"{CARTS}active/").json()["id"] == cart.pk


def test_a_body_that_is_no_object_is_told(mine):
    assert mine.post(CARTS, [1, 2]).status_code == 400
    assert mine.post(CARTS, "{", content_type="application/json").status_code == 400


def test_price_and_owner_are_not_the_callers_to_choose(mine, alice, charlie, package):
    wishes = {"user": charlie.pk, "status": "CONVERTED", "total_price": "1.00", "price": 1}
    wire = mine.post(CARTS, choice(package, **wishes)).json()
    assert (wire["user"], wire["status"], wire["total_price"]) == (alice.pk, "ACTIVE", "1100.00")


def test_a_form_post_works_like_json(mine, package):
    assert mine.post(CARTS, choice(package), format="multipart").status_code == 201


def test_a_full_slot_is_a_conflict(mine, package, slot):
    Slot.objects.update(booked=2)
    answer = mine.post(CARTS, choice(package))
    assert (answer.status_code, answer.json()["code"]) == (409, "slot_full")

    said = mine.post(CARTS, choice(package), headers={"Accept-Language": "hi"}).json()
    assert "यह समय पूरा बुक हो चुका है" in said["user_message"]
    assert said["error"] == answer.json()["error"]


# --- Changing ----------------------------------------------------------------------------------


def test_a_cart_is_changed_in_part_or_whole(mine, cart, package):
    answer = mine.patch(f"{CARTS}{cart.pk}/", {"selected_time": "06:00 PM"})
    assert (answer.status_code, answer.json()["selected_time"]) == (200, "18:00")
    answer = mine.put(f"{CARTS}{cart.pk}/", choice(package, selected_time="11:00"))
    assert (answer.status_code, answer.json()["selected_time"]) == (200, "11:00")
    assert mine.put(f"{CARTS}{cart.pk}/", {"selected_time": "11:00"}).status_code == 400


def test_a_promo_code_is_applied_and_removed(mine, cart):
    builders.make_promo()
    applied = mine.post(f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": "WELCOME10"})
    assert (applied.status_code, applied.json()["total_price"]) == (200, "990.00")
    removed = mine.post(f"{CARTS}{cart.pk}/remove_promo/")
    assert (removed.status_code, removed.json()["total_price"]) == (200, "1100.00")
    assert removed.json()["promo_code"] is None


def test_a_refused_promo_code_says_why_where_the_frontend_looks(mine, cart):
    builders.make_promo("OLD", expires_at=timezone.now() - timedelta(days=1))
    for code, reason in (("OLD", "has expired"), ("NOSUCH", "does not exist")):
        answer = mine.post(f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": code})
        assert answer.status_code == 400
        assert reason in answer.json()["detail"]
        assert reason in answer.json()["promo_code"][0]
    assert mine.post(f"{CARTS}{cart.pk}/apply_promo/", {}).status_code == 400


def test_a_code_that_has_expired_since_is_shown_as_such_and_takes_nothing_off(mine, cart):
    promo = builders.make_promo()
    mine.post(f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": "WELCOME10"})
    promo.expires_at = timezone.now()
    promo.save()
    wire = mine.get(f"{CARTS}active/").json()
    assert wire["total_price"] == "1100.00"
    assert wire["promo_code"]["is_valid"] is False
    assert wire["promo_code"]["validity_message"] == "This promo code has expired."


# --- Deleting ----------------------------------------------------------------------------------


def test_a_deleted_cart_is_gone(mine, cart):
    answer = mine.delete(f"{CARTS}{cart.pk}/")
    assert (answer.status_code, answer.json()["deleted_cart_id"]) == (200, cart.pk)
    assert mine.get(f"{CARTS}active/").status_code == 404
    assert mine.get(CARTS).json() == []
    assert mine.delete(f"{CARTS}{cart.pk}/").status_code == 404


def test_an_empty_cart_is_404_with_a_sentence(mine):
    answer = mine.get(f"{CARTS}active/")
    assert (answer.status_code, answer.json()["detail"]) == (404, "You have no cart.")


# --- While its payment is open -----------------------------------------------------------------


def test_a_checked_out_cart_still_reads_active_as_it_was_bought(mine, cart):
    builders.make_checkout(cart)
    Package.objects.update(price_paise=5_100_000)
    wire = mine.get(f"{CARTS}active/").json()
    assert (wire["id"], wire["status"], wire["can_delete"]) == (cart.pk, "ACTIVE", False)
    assert (wire["total_price"], wire["package"]["price"]) == ("1100.00", "1100.00")
    assert mine.get(CARTS).json() == [wire]


def test_a_newer_active_cart_is_shown_before_the_one_being_paid(mine, alice, cart, package):
    builders.make_checkout(cart)
    newer = builders.make_cart(alice, package)
    assert mine.get(f"{CARTS}active/").json()["id"] == newer.pk


def test_a_checked_out_cart_cannot_be_changed(mine, cart, package):
    builders.make_promo()
    builders.make_checkout(cart)
    url = f"{CARTS}{cart.pk}/"
    answers = [
        mine.patch(url, {"selected_time": "11:00"}),
        mine.put(url, choice(package)),
        mine.post(f"{url}apply_promo/", {"promo_code": "WELCOME10"}),
        mine.post(f"{url}remove_promo/"),
    ]
    assert [answer.status_code for answer in answers] == [409] * 4
    assert {answer.json()["code"] for answer in answers} == {"cart_not_active"}


def test_deleting_a_checked_out_cart_says_how_long_to_wait(mine, cart):
    builders.make_checkout(cart, minutes=12)
    answer = mine.delete(f"{CARTS}{cart.pk}/")
    wire = answer.json()
    assert answer.status_code == 400
    assert wire["error"] == wire["detail"]
    assert (wire["wait_minutes"], wire["can_cleanup"], wire["can_delete"]) == (12, True, False)
    status = mine.get(f"{CARTS}{cart.pk}/deletion_status/").json()
    assert status == {"can_delete": False, "wait_minutes": 12, "can_cleanup": True}
    assert Cart.objects.get().status == "CHECKED_OUT"


# --- Clear cart --------------------------------------------------------------------------------


def test_a_cleared_cart_is_empty_also_after_a_reload(mine, cart):
    assert mine.post(f"{CARTS}clear_converted/").status_code == 200
    assert mine.get(f"{CARTS}active/").status_code == 404
    assert mine.get(CARTS).json() == []
    assert mine.post(f"{CARTS}clear_converted/").status_code == 200  # twice is once


def test_a_cart_that_is_being_paid_is_not_cleared(mine, alice, cart, package):
    """The page then deletes what it shows, row by row: the sentence of that refusal is this one."""
    checkout = builders.make_checkout(cart)
    newer = builders.make_cart(alice, package)
    refused, deleted = mine.post(f"{CARTS}clear_converted/"), mine.delete(f"{CARTS}{cart.pk}/")

    assert (refused.status_code, refused.json()["code"], refused.json()["can_cleanup"]) == (
        400,
        "payment_open",
        True,
    )
    assert refused.json()["error"] == deleted.json()["error"]
    assert [each.status for each in Cart.objects.order_by("pk")] == ["CHECKED_OUT", "ACTIVE"]
    assert mine.delete(f"{CARTS}{newer.pk}/").status_code == 200
    assert book(checkout).checkout.cart_id == cart.pk


def test_a_cart_of_somebody_else_is_not_cleared(cart, charlie, api):
    api(charlie).post(f"{CARTS}clear_converted/")
    assert Cart.objects.get().status == "ACTIVE"


# --- After it was booked -----------------------------------------------------------------------


def test_a_booked_cart_leaves_the_cart_page(mine, cart):
    book(builders.make_checkout(cart))
    assert mine.get(CARTS).json() == []
    assert mine.get(f"{CARTS}active/").status_code == 404
    assert mine.get(f"{CARTS}{cart.pk}/").json()["status"] == "CONVERTED"
    assert mine.post(f"{CARTS}clear_converted/").status_code == 200
    assert mine.delete(f"{CARTS}{cart.pk}/").json()["code"] == "cart_booked"
    assert mine.patch(f"{CARTS}{cart.pk}/", {"selected_time": "11:00"}).status_code == 409


# --- Strangers ---------------------------------------------------------------------------------


def test_a_stranger_cannot_see_or_touch_anothers_cart(charlie, cart, api):
    builders.make_promo()
    client, url = api(charlie), f"{CARTS}{cart.pk}/"
    assert client.get(CARTS).json() == []
    assert client.get(f"{CARTS}active/").status_code == 404
    answers = [
        client.get(url),
        client.patch(url, {"selected_time": "11:00"}),
        client.delete(url),
        client.get(f"{url}deletion_status/"),
        client.post(f"{url}apply_promo/", {"promo_code": "WELCOME10"}),
        client.post(f"{url}remove_promo/"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6
    assert api().get(CARTS).status_code == 401


def test_more_carts_need_no_more_queries(mine, alice, package, django_assert_num_queries):
    for _ in range(2):
        builders.make_checkout(builders.make_cart(alice, package))
    builders.make_cart(alice, package)
    mine.get(CARTS)  # the first look at a total is remembered, by one write
    with django_assert_num_queries(4):  # who asks, how often, the carts, what froze them
        assert len(mine.get(CARTS).json()) == 3

"""What people choose: pujas, dates, times, promo codes, and what they write when they cancel."""

from datetime import time, timedelta

import pytest
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from booking.models import Cart
from tests.harness import builders
from tests.integration.input.fuzz import (
    TEXT,
    assert_answered,
    assert_refused_or_done,
    few,
    rows,
    send,
    some_of,
)

pytestmark = pytest.mark.django_db

CARTS = "/api/cart/carts/"
DATES = st.dates().map(str) | st.datetimes().map(str) | TEXT
TIMES = st.times().map(str) | st.from_regex(r"[0-9]{1,2}:[0-9]{2}( ?[AaPp][Mm])?", fullmatch=True) | TEXT
SPELLINGS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M%p")


@few
@given(
    body=some_of(
        puja_service=st.integers(),
        package_id=st.integers(),
        selected_date=DATES,
        selected_time=TIMES,
        promo_code=TEXT,
    )
)
def test_any_choice_is_answered(api, alice, body):
    before = rows()

    assert_refused_or_done(send(api(alice), "post", CARTS, body), before)


@few
@given(day=DATES, hour=TIMES)
@example(day="9999-12-31", hour="23:59")
@example(day="0001-01-01", hour="00:00")
@example(day=str(timezone.localdate()), hour="00:00")
def test_any_day_and_hour_is_booked_as_said_or_refused(api, alice, slotless_service, day, hour):
    package = slotless_service.packages.get()
    Cart.objects.all().delete()
    body = {"puja_service": slotless_service.pk, "package_id": package.pk}

    response = send(api(alice), "post", CARTS, body | {"selected_date": day, "selected_time": hour})

    assert_answered(response)
    assert response.status_code == 400 or Cart.objects.get().starts_at > timezone.now()


@few
@given(
    days=st.integers(1, 365),
    hour=st.times(time(6), time(21)).map(lambda at: at.replace(second=0, microsecond=0)),
    spelling=st.sampled_from(SPELLINGS),
)
def test_an_hour_is_the_same_in_every_spelling(api, alice, slotless_service, days, hour, spelling):
    package, day = slotless_service.packages.get(), timezone.localdate() + timedelta(days=days)
    body = {"puja_service": slotless_service.pk, "package_id": package.pk, "selected_date": str(day)}

    said = send(api(alice), "post", CARTS, body | {"selected_time": f"{hour:{spelling}}"}).json()

    assert (said["selected_date"], said["selected_time"]) == (str(day), f"{hour:%H:%M}")
    start = timezone.localtime(Cart.objects.get(pk=said["id"]).starts_at)
    assert (start.date(), start.time()) == (day, hour)


@pytest.fixture
def cart(alice, package):
    builders.make_promo("WELCOME10")
    return builders.make_cart(alice, package)


@few
@given(body=some_of(promo_code=TEXT))
@example({"promo_code": "WELCOME10\x00"})
def test_any_promo_code_is_answered_and_an_unknown_one_takes_nothing_off(api, alice, cart, body):
    before = rows()

    response = send(api(alice), "post", f"{CARTS}{cart.pk}/apply_promo/", body)

    assert response.status_code == 400
    assert_refused_or_done(response, before)
    assert api(alice).get(f"{CARTS}{cart.pk}/").json()["total_price"] == "1100.00"


@pytest.mark.parametrize("code", ["WELCOME10", "welcome10", " Welcome10 ", "wELCOME10\t"])
def test_a_promo_code_is_known_in_every_spelling(api, alice, cart, code):
    said = send(api(alice), "post", f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": code}).json()

    assert (said["promo_code"]["code"], said["total_price"]) == ("WELCOME10", "990.00")

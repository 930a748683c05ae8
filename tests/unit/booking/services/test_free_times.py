"""A refusal of a time names the times that are free: the pages of the frontends know no slots."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.translation import override

from booking.models import Slot
from booking.services.carts import FURTHEST, TIMES_SHOWN
from core.dates import spell_date
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)

CARTS, PAY = "/api/cart/carts/", "/api/payments/payments/process-cart/"


@pytest.fixture
def mine(alice, api):
    return api(alice)


@pytest.fixture
def slots(package):
    """08:00 (full), 11:00 and 16:00 in three days, 09:00 and a closed 10:00 the day after, 07:00 in five days."""
    service = package.puja_service
    times = [(3, 8, 1), (3, 11, 0), (3, 16, 0), (4, 9, 0), (5, 7, 0)]
    made = [
        builders.make_slot(service, days, hour, capacity=1, booked=booked) for days, hour, booked in times
    ]
    builders.make_slot(service, 4, 10, is_open=False)
    return made


def day(days):
    return spell_date(builders.in_days(days), year=False)


def choice(package, days=3, time="08:00"):
    return {
        "service_type": "PUJA",
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": builders.in_days(days).date().isoformat(),
        "selected_time": time,
    }


def free(*days):
    return f"Free on {'; '.join(days)}."


@pytest.mark.parametrize(
    ("days", "time", "status", "problem"),
    [
        (3, "08:00", 409, "This time is booked out. Please choose another one."),
        (3, "12:00", 400, "This puja does not start at that time. Choose one of its slots."),
        (3, "02:00", 400, "This puja does not start at that time. Choose one of its slots."),
        (-1, "11:00", 400, "This date has passed."),
    ],
)
def test_who_chooses_a_time_that_is_full_or_not_offered_is_told_the_free_ones(
    mine, package, slots, days, time, status, problem
):
    answer = mine.post(CARTS, choice(package, days, time))
    offered = free(f"{day(3)}: 11:00 AM, 4:00 PM", f"{day(4)}: 9:00 AM")

    assert (answer.status_code, answer.json()["error"]) == (status, f"{problem} {offered}")


def test_a_closed_time_is_refused_with_what_is_left_of_that_day_and_the_next(mine, package, slots):
    answer = mine.post(CARTS, choice(package, 4, "10:00"))

    assert answer.json()["error"].endswith(free(f"{day(4)}: 9:00 AM", f"{day(5)}: 7:00 AM"))
    assert answer.json()["selected_time"] == [answer.json()["error"]]


def test_after_the_last_day_the_first_days_are_named(mine, package, slots):
    answer = mine.post(CARTS, choice(package, 20, "10:00"))

    assert answer.json()["error"].endswith(free(f"{day(3)}: 11:00 AM, 4:00 PM", f"{day(4)}: 9:00 AM"))


def test_a_time_that_is_too_near_is_refused_with_those_that_are_not(mine, package, slots):
    near = timezone.localtime() + timedelta(minutes=30)
    answer = mine.post(
        CARTS, choice(package) | {"selected_date": f"{near:%Y-%m-%d}", "selected_time": f"{near:%H:%M}"}
    )

    assert answer.status_code == 400
    assert answer.json()["error"].endswith(free(f"{day(3)}: 11:00 AM, 4:00 PM", f"{day(4)}: 9:00 AM"))


def test_when_nothing_is_free_that_is_said(mine, package, slots):
    Slot.objects.update(booked=1)
    assert mine.post(CARTS, choice(package)).json()["error"].endswith("No time of it is free at the moment.")


def test_what_cannot_be_bought_is_not_named(mine, package, slots):
    """Neither what begins too soon, nor what lies more than a year ahead."""
    Slot.objects.filter(pk__in=[each.pk for each in slots[1:]]).delete()
    builders.make_slot(package.puja_service, FURTHEST.days + 2, 10)
    Slot.objects.create(service=package.puja_service, starts_at=timezone.now() + timedelta(minutes=20))

    assert mine.post(CARTS, choice(package)).json()["error"].endswith("No time of it is free at the moment.")


def test_a_long_day_is_cut(mine, package, slots):
    for hour in range(9, 22):
        Slot.objects.get_or_create(service=package.puja_service, starts_at=builders.in_days(3, hour))
    named = mine.post(CARTS, choice(package)).json()["error"].partition(f"{day(3)}: ")[2].partition(";")[0]

    assert named.split(", ")[TIMES_SHOWN:] == ["…"]


def test_another_time_for_a_cart_that_is_there_is_refused_in_the_same_way(mine, package, slots):
    cart = mine.post(CARTS, choice(package, 3, "11:00")).json()
    answers = [mine.patch(f"{CARTS}{cart['id']}/", {"selected_time": time}) for time in ("08:00", "12:30")]

    assert [answer.status_code for answer in answers] == [409, 400]
    assert all(
        answer.json()["error"].endswith(free(f"{day(3)}: 11:00 AM, 4:00 PM", f"{day(4)}: 9:00 AM"))
        for answer in answers
    )


@pytest.mark.parametrize("change", [{"booked": 1}, {"is_open": False}])
def test_at_the_click_on_pay_the_free_times_are_named_too(mine, package, slots, phonepe, change):
    cart = mine.post(CARTS, choice(package, 3, "11:00")).json()
    Slot.objects.filter(pk=slots[1].pk).update(**change)
    answer = mine.post(PAY, {"cart_id": cart["id"]})

    assert answer.status_code in (400, 409)
    assert answer.json()["error"].endswith(free(f"{day(3)}: 4:00 PM", f"{day(4)}: 9:00 AM"))


def test_the_times_are_named_in_the_language_of_the_reader(mine, package, slots):
    answer = mine.post(CARTS, choice(package), HTTP_ACCEPT_LANGUAGE="hi").json()
    with override("hi"):
        in_hindi = f"{spell_date(builders.in_days(3), year=False)}: सुबह 11:00, शाम 4:00"

    assert in_hindi in answer["user_message"]
    assert day(3) in answer["error"]


def test_a_refusal_takes_as_many_queries_for_many_slots(mine, package, slots, django_assert_num_queries):
    mine.post(CARTS, choice(package))
    with django_assert_num_queries(7):
        mine.post(CARTS, choice(package))
    for hour in range(6, 22):
        Slot.objects.get_or_create(service=package.puja_service, starts_at=builders.in_days(4, hour))
    with django_assert_num_queries(7):
        mine.post(CARTS, choice(package))


def test_a_puja_without_slots_names_its_opening_hours(mine, package):
    assert (
        mine.post(CARTS, choice(package, 3, "05:00")).json()["error"]
        == "Choose a time between 6:00 AM and 9:00 PM."
    )

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from payment.services.schedule import next_poll, repeated_poll

SENT = datetime(2026, 6, 11, 4, 30, tzinfo=timezone.utc)
EXPIRES = SENT + timedelta(minutes=15)


def offsets(until: timedelta, **options) -> list[int]:
    """Seconds after the sending at which PhonePe is asked, up to `until`."""
    moments, now = [], SENT
    while (now := next_poll(SENT, EXPIRES, now, **options)) and now <= SENT + until:
        moments.append(int((now - SENT).total_seconds()))
    return moments


def test_the_schedule_is_the_one_that_phonepe_prescribes(settings):
    settings.PHONEPE_DEADLINE = 15  # the first question then comes after 20 seconds

    asked = offsets(timedelta(seconds=350))

    assert asked[:12] == [20, 23, 26, 29, 32, 35, 38, 41, 44, 47, 50, 56]
    assert asked[11:21] == list(range(56, 111, 6))
    assert asked[21:] == [120, 130, 140, 150, 160, 170, 200, 230, 290, 350]


def test_nobody_asks_while_the_call_itself_may_still_be_under_way(settings):
    settings.PHONEPE_DEADLINE = 40

    assert offsets(timedelta(minutes=1))[0] == 45


def test_a_minute_that_falls_on_the_end_of_the_page_belongs_to_the_tail(settings):
    settings.PHONEPE_DEADLINE = 15
    expires = SENT + timedelta(seconds=290)

    assert next_poll(SENT, expires, SENT + timedelta(seconds=230)) == expires + timedelta(minutes=5)


def test_after_expiry_a_slow_tail_goes_on_for_seven_days():
    minutes = [5, 60, 360, *(day * 1440 for day in range(1, 8))]

    assert offsets(timedelta(days=30), closed=True) == [900 + minute * 60 for minute in minutes]
    assert offsets(timedelta(days=7, minutes=20))[-10:] == offsets(timedelta(days=30), closed=True)


def test_after_the_tail_a_closed_order_is_not_asked_about_any_more():
    assert next_poll(SENT, EXPIRES, EXPIRES + timedelta(days=8), closed=True) is None


@pytest.mark.parametrize("days", [7, 8, 29, 400, 4000])
def test_an_open_order_is_asked_about_every_day_without_end(days):
    now = EXPIRES + timedelta(days=days, hours=5)

    assert next_poll(SENT, EXPIRES, now) == EXPIRES + timedelta(days=days + 1)


def repeats(since: timedelta, how_many: int, **options) -> list[int]:
    """Seconds from one question without an answer to the next, the first one so long after the expiry."""
    moments = [EXPIRES + since]
    for _ in range(how_many):
        moments.append(repeated_poll(SENT, EXPIRES, moments[-1], **options))
    return [int((after - before).total_seconds()) for before, after in pairwise(moments)]


def test_a_question_without_an_answer_is_repeated_before_the_next_one_is_due():
    after_an_hour = repeats(timedelta(hours=1), 30)

    assert after_an_hour[:7] == [60, 60, 60, 60, 60, 75, 93]
    assert sum(after_an_hour[: after_an_hour.index(max(after_an_hour)) + 1]) <= 5 * 3600


def test_while_phonepe_prescribes_questions_no_repeat_comes_later_than_they_do():
    for second in range(0, 900, 7):
        now = SENT + timedelta(seconds=second)
        assert repeated_poll(SENT, EXPIRES, now) <= next_poll(SENT, EXPIRES, now)


@pytest.mark.parametrize("closed", [True, False])
def test_the_last_question_is_repeated_for_ever_and_at_least_daily(closed):
    pauses = repeats(timedelta(days=7), 200, closed=closed)

    assert pauses[0] == 60
    assert all(60 <= pause <= 86_400 for pause in pauses)
    assert pauses[-1] == 86_400 if closed else pauses[-1] <= 86_400


def test_a_late_answer_does_not_shift_the_schedule():
    late = SENT + timedelta(seconds=301)

    assert next_poll(SENT, EXPIRES, late) in {
        SENT + timedelta(seconds=s) for s in offsets(timedelta(hours=1))
    }


def test_time_can_be_made_faster(settings):
    settings.PAYMENT_TIME_SCALE = 10

    assert next_poll(SENT, EXPIRES, SENT) == SENT + timedelta(seconds=2.5)


def test_an_order_that_nobody_tries_to_pay_is_asked_about_less_often_and_until_its_end(settings):
    settings.PHONEPE_DEADLINE = 15
    prescribed = offsets(timedelta(minutes=15))
    asked = offsets(timedelta(minutes=15), untried=True)
    assert len(prescribed) == 40
    assert asked[:11] == prescribed[:11] == [20, *range(23, 51, 3)]
    assert asked[11:] == [62, 80, 98, 120, 150, 200, 290, 350, 470, 590, 710, 890]
    assert set(asked) <= set(prescribed)


def test_the_pause_is_a_bounded_part_of_the_orders_age(settings):
    asked = offsets(timedelta(minutes=15), untried=True)
    assert all(later - earlier <= 60 + earlier / 3 for earlier, later in pairwise(asked))
    assert 900 - asked[-1] <= 60


def test_after_its_end_it_is_asked_about_once_at_once_and_twice_more():
    minutes = [5, 60, 1440]
    closed = offsets(timedelta(days=30), closed=True, untried=True)
    assert closed == [900 + minute * 60 for minute in minutes]

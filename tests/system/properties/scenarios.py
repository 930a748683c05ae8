"""Stories in three parts: what was before, the deed over which our process dies, and how the world goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from booking.models import Booking
from payment.models import Payment, Refund
from tests.system.properties.installation import DAY, HOUR, MINUTE, Town, waiting_for_choice

Part = Callable[[Town], Any]
PAID = ("SUCCESS", "BOOKED")
BACK = ("SUCCESS", "REFUNDED")
RECEIPT, SURPLUS, REFUND = ("RECEIPT", 110_000), ("SURPLUS", 110_000), ("REFUND", -110_000)


@dataclass(frozen=True)
class Story:
    """`outcomes`, `ledger`, `places`: how it ends if nobody dies, and therefore in any case."""

    before: Part
    deed: Part
    after: Part
    outcomes: list[tuple[str, str]]
    ledger: list[tuple[str, int]]
    places: list[tuple[int, int]]


def nothing(town: Town) -> None:
    """The worker is enough."""


def fill_cart(town: Town) -> None:
    town.choose(0, 0)


def pay_now(town: Town) -> Any:
    return town.click(0)


def click_again_and_pay(town: Town) -> None:
    town.time_passes(MINUTE)
    answer = town.click(0)
    assert answer.status_code in (200, 201), answer.content
    pay_last(town)


def fill_cart_and_lose_the_page(town: Town) -> None:
    fill_cart(town)
    town.phonepe.inject_fault("pay", "reset_after")


def open_page(town: Town) -> None:
    town.choose(0, 0)
    assert town.click(0).status_code == 201


def pay_last(town: Town) -> None:
    town.decide(town.phonepe.order_ids[-1], "success")


def be_paid(town: Town) -> None:
    open_page(town)
    pay_last(town)


def be_paid_twice(town: Town) -> None:
    fill_cart_and_lose_the_page(town)
    assert town.click(0).status_code == 201
    for order in town.phonepe.order_ids:
        town.decide(order, "success")
    town.call_us(town.phonepe.webhooks[0])


def be_failed(town: Town) -> None:
    open_page(town)
    town.decide(town.phonepe.order_ids[-1], "failure")


def hear_last(town: Town) -> Any:
    return town.call_us(town.phonepe.webhooks[-1])


def be_booked(town: Town) -> None:
    be_paid(town)
    hear_last(town)


def be_refunded(town: Town) -> None:
    be_booked(town)
    ask_for_refund(town)


def be_sent_back(town: Town) -> None:
    be_refunded(town)
    town.work_until_idle()
    town.time_passes(MINUTE)


def work(town: Town) -> Any:
    return town.work()


def work_a_minute_later(town: Town) -> Any:
    town.time_passes(MINUTE)
    return town.work()


def ask_for_refund(town: Town) -> Any:
    return town.refund(Payment.objects.latest("pk"))


def cancel(town: Town) -> Any:
    return town.cancel(Booking.objects.get())


def again(deed: Part) -> Part:
    """Whoever got no answer says it again; that it has been done already is an answer."""

    def part(town: Town) -> None:
        town.time_passes(MINUTE)
        answer = deed(town)
        assert answer.status_code in (200, 201, 303, 409), answer.content

    return part


def give_up(town: Town) -> Any:
    return town.give_up(0)


def come_back(town: Town) -> Any:
    return town.come_back(Payment.objects.latest("pk"))


def leave(town: Town) -> None:
    open_page(town)
    town.time_passes(25 * MINUTE)


def lose_the_place(town: Town) -> None:
    """Late money, while somebody else has the place."""
    be_failed(town)
    hear_last(town)
    town.choose(1, 0)
    assert town.click(1).status_code == 201
    pay_last(town)
    hear_last(town)
    town.decide(town.phonepe.order_ids[0], "late_success")


def be_offered_another_time(town: Town) -> None:
    lose_the_place(town)
    hear_last(town)
    town.work_until_idle()


def choose_another_time(town: Town) -> Any:
    return town.answer_offer(Payment.objects.earliest("pk"), town.slots[1])


def hear_and_choose(town: Town) -> None:
    """The call that died may have claimed the news for some seconds: then the worker brings it."""
    town.time_passes(MINUTE)
    hear_last(town)
    town.work_until_idle()
    assert waiting_for_choice().get() == Payment.objects.earliest("pk")
    assert choose_another_time(town).status_code == 200


def choose_nothing(town: Town) -> None:
    be_offered_another_time(town)
    town.time_passes(DAY + HOUR)


def close_the_time(town: Town) -> Any:
    return town.close(town.slots[0], "refund")


def be_sent_back_in_vain(town: Town) -> None:
    """PhonePe has taken the refund, and its bank has refused it."""
    be_refunded(town)
    town.work_until_idle()
    town.decide_refund(Refund.objects.get(), "failure")
    town.time_passes(MINUTE)


def be_given(town: Town) -> None:
    assert town.give(11).status_code == 201
    pay_last(town)


NOBODY, BOOKED = [(0, 0)] * 3, [(0, 0), (0, 1), (0, 0)]
BOTH, OTHER = [(0, 0), (0, 1), (0, 1)], [(0, 0), (0, 1), (0, 0)]
ENDED, FAILED = [("CANCELLED", "")], [("FAILED", "")]
GONE_BACK = ([PAID], [RECEIPT, REFUND], NOBODY)
ONE_BOOKING = ([PAID], [RECEIPT], BOOKED)
# Places are those of the three times of the town, the earliest first.
STORIES = {
    "opening a page": Story(fill_cart, pay_now, click_again_and_pay, *ONE_BOOKING),
    "opening a page after one was lost": Story(
        fill_cart_and_lose_the_page, pay_now, click_again_and_pay, *ONE_BOOKING
    ),
    "a webhook of money": Story(be_paid, hear_last, nothing, *ONE_BOOKING),
    "a webhook of money that came twice": Story(
        be_paid_twice, hear_last, again(hear_last), [PAID], [RECEIPT, REFUND, SURPLUS], BOOKED
    ),
    "a webhook of a failure": Story(be_failed, hear_last, nothing, FAILED, [], NOBODY),
    "the worker's question": Story(be_paid, work_a_minute_later, nothing, *ONE_BOOKING),
    "the way back from the page": Story(be_paid, come_back, again(come_back), *ONE_BOOKING),
    "a gift": Story(be_given, hear_last, nothing, [("SUCCESS", "GIFT")], [("RECEIPT", 1_100)], NOBODY),
    "giving up": Story(open_page, give_up, again(give_up), ENDED, [], NOBODY),
    "releasing what nobody paid": Story(leave, work, nothing, FAILED, [], NOBODY),
    "mails and receipts": Story(be_booked, work, nothing, *ONE_BOOKING),
    "asking for a refund": Story(be_booked, ask_for_refund, again(ask_for_refund), *GONE_BACK),
    "cancelling": Story(be_booked, cancel, again(cancel), *GONE_BACK),
    "sending a refund": Story(be_refunded, work, nothing, *GONE_BACK),
    "settling a refund": Story(be_sent_back, work, nothing, *GONE_BACK),
    "hearing of a refund": Story(be_sent_back, hear_last, nothing, *GONE_BACK),
    "replacing a refund that failed": Story(be_sent_back_in_vain, work, nothing, *GONE_BACK),
    "offering another time": Story(
        lose_the_place, hear_last, hear_and_choose, [PAID, PAID], [RECEIPT, RECEIPT], BOTH
    ),
    "choosing another time": Story(
        *(be_offered_another_time, choose_another_time, again(choose_another_time)),
        *([PAID, PAID], [RECEIPT, RECEIPT], BOTH),
    ),
    "closing an offer": Story(choose_nothing, work, nothing, [PAID, BACK], [RECEIPT, RECEIPT, REFUND], OTHER),
    "closing a time": Story(be_booked, close_the_time, again(close_the_time), *GONE_BACK),
}

"""Scenarios in three parts: what was before, the action over which our process dies, and how everything goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from booking.models import Booking, WaitingEntry
from payment.models import Payment, Refund
from tests.system.properties.installation import DAY, HOUR, MINUTE, InProcessInstallation, waiting_for_choice

Part = Callable[[InProcessInstallation], Any]
PAID = ("SUCCESS", "BOOKED")
BACK = ("SUCCESS", "REFUNDED")
RECEIPT, SURPLUS, REFUND = ("RECEIPT", 110_000), ("SURPLUS", 110_000), ("REFUND", -110_000)


@dataclass(frozen=True)
class Scenario:
    """`outcomes`, `ledger`, `places`: how it ends if nobody dies, and therefore in any case."""

    before: Part
    action: Part
    after: Part
    outcomes: list[tuple[str, str]]
    ledger: list[tuple[str, int]]
    places: list[tuple[int, int]]


def nothing(installation: InProcessInstallation) -> None:
    """The worker is enough."""


def fill_cart(installation: InProcessInstallation) -> None:
    installation.choose(0, 0)


def pay_now(installation: InProcessInstallation) -> Any:
    return installation.click(0)


def click_again_and_pay(installation: InProcessInstallation) -> None:
    installation.advance_time(MINUTE)
    answer = installation.click(0)
    assert answer.status_code in (200, 201), answer.content
    pay_last(installation)


def fill_cart_and_lose_the_page(installation: InProcessInstallation) -> None:
    fill_cart(installation)
    installation.phonepe.inject_fault("pay", "reset_after")


def open_page(installation: InProcessInstallation) -> None:
    installation.choose(0, 0)
    assert installation.click(0).status_code == 201


def pay_last(installation: InProcessInstallation) -> None:
    installation.decide(installation.phonepe.order_ids[-1], "success")


def be_paid(installation: InProcessInstallation) -> None:
    open_page(installation)
    pay_last(installation)


def be_paid_twice(installation: InProcessInstallation) -> None:
    fill_cart_and_lose_the_page(installation)
    assert installation.click(0).status_code == 201
    for order in installation.phonepe.order_ids:
        installation.decide(order, "success")
    installation.call_us(installation.phonepe.webhooks[0])


def be_failed(installation: InProcessInstallation) -> None:
    open_page(installation)
    installation.decide(installation.phonepe.order_ids[-1], "failure")


def hear_last(installation: InProcessInstallation) -> Any:
    return installation.call_us(installation.phonepe.webhooks[-1])


def be_booked(installation: InProcessInstallation) -> None:
    be_paid(installation)
    hear_last(installation)


def be_refunded(installation: InProcessInstallation) -> None:
    be_booked(installation)
    ask_for_refund(installation)


def be_sent_back(installation: InProcessInstallation) -> None:
    be_refunded(installation)
    installation.work_until_idle()
    installation.advance_time(MINUTE)


def work(installation: InProcessInstallation) -> Any:
    return installation.work()


def work_a_minute_later(installation: InProcessInstallation) -> Any:
    installation.advance_time(MINUTE)
    return installation.work()


def ask_for_refund(installation: InProcessInstallation) -> Any:
    return installation.refund(Payment.objects.latest("pk"))


def cancel(installation: InProcessInstallation) -> Any:
    return installation.cancel(Booking.objects.get())


def again(action: Part) -> Part:
    """Whoever got no answer says it again; that it has been done already is an answer."""

    def part(installation: InProcessInstallation) -> None:
        installation.advance_time(MINUTE)
        answer = action(installation)
        assert answer.status_code in (200, 201, 303, 409), answer.content

    return part


def give_up(installation: InProcessInstallation) -> Any:
    return installation.give_up(0)


def come_back(installation: InProcessInstallation) -> Any:
    return installation.come_back(Payment.objects.latest("pk"))


def leave(installation: InProcessInstallation) -> None:
    open_page(installation)
    installation.advance_time(25 * MINUTE)


def lose_the_place(installation: InProcessInstallation) -> None:
    """Late money, while somebody else has the place."""
    be_failed(installation)
    hear_last(installation)
    installation.choose(1, 0)
    assert installation.click(1).status_code == 201
    pay_last(installation)
    hear_last(installation)
    installation.decide(installation.phonepe.order_ids[0], "late_success")


def be_offered_another_time(installation: InProcessInstallation) -> None:
    lose_the_place(installation)
    hear_last(installation)
    installation.work_until_idle()


def choose_another_time(installation: InProcessInstallation) -> Any:
    return installation.answer_offer(Payment.objects.earliest("pk"), installation.slots[1])


def hear_and_choose(installation: InProcessInstallation) -> None:
    """The call that died may have claimed the news for some seconds: then the worker brings it."""
    installation.advance_time(MINUTE)
    hear_last(installation)
    installation.work_until_idle()
    assert waiting_for_choice().get() == Payment.objects.earliest("pk")
    assert choose_another_time(installation).status_code == 200


def choose_nothing(installation: InProcessInstallation) -> None:
    be_offered_another_time(installation)
    installation.advance_time(DAY + HOUR)


def move(installation: InProcessInstallation) -> Any:
    return installation.move(Booking.objects.get(), installation.slots[1])


def fail(installation: InProcessInstallation) -> None:
    be_failed(installation)
    hear_last(installation)


def try_again(installation: InProcessInstallation) -> Any:
    return installation.try_again(Payment.objects.earliest("pk"))


def try_again_and_pay(installation: InProcessInstallation) -> None:
    again(try_again)(installation)
    pay_last(installation)


def wait_for_a_place(installation: InProcessInstallation) -> None:
    """The second customer, for the time that the first one has booked."""
    be_booked(installation)
    installation.work_until_idle()
    assert installation.wait_for(1, installation.slots[0]).status_code == 201


def free_the_place(installation: InProcessInstallation) -> None:
    wait_for_a_place(installation)
    assert cancel(installation).status_code == 200


def be_offered_a_place(installation: InProcessInstallation) -> None:
    free_the_place(installation)
    installation.work_until_idle()


def leave_the_list(installation: InProcessInstallation) -> Any:
    return installation.answer_waiting(WaitingEntry.objects.get(), leaves=True)


def leave_it_again(installation: InProcessInstallation) -> None:
    """Whoever has left is not on the list any more."""
    assert leave_the_list(installation).status_code in (204, 404)


def accept_the_place(installation: InProcessInstallation) -> None:
    answer = installation.answer_waiting(WaitingEntry.objects.get(), leaves=False)
    assert answer.status_code in (200, 201), answer.content


def take_the_place(installation: InProcessInstallation) -> Any:
    return installation.click(1)


def be_about_to_take_the_place(installation: InProcessInstallation) -> None:
    be_offered_a_place(installation)
    accept_the_place(installation)


def take_the_place_and_pay(installation: InProcessInstallation) -> None:
    again(take_the_place)(installation)
    pay_last(installation)


def be_offered_and_pay(installation: InProcessInstallation) -> None:
    """The worker that died may have claimed the entry for some seconds."""
    installation.advance_time(MINUTE)
    installation.work_until_idle()
    accept_the_place(installation)
    take_the_place_and_pay(installation)


def close_the_time(installation: InProcessInstallation) -> Any:
    return installation.close(installation.slots[0], "refund")


def be_sent_back_in_vain(installation: InProcessInstallation) -> None:
    """PhonePe has taken the refund, and its bank has refused it."""
    be_refunded(installation)
    installation.work_until_idle()
    installation.decide_refund(Refund.objects.get(), "failure")
    installation.advance_time(MINUTE)


def be_given(installation: InProcessInstallation) -> None:
    assert installation.give(11).status_code == 201
    pay_last(installation)


NOBODY, BOOKED = [(0, 0)] * 3, [(0, 0), (0, 1), (0, 0)]
BOTH, OTHER = [(0, 0), (0, 1), (0, 1)], [(0, 0), (0, 1), (0, 0)]
MOVED = [(0, 0), (0, 0), (0, 1)]
ENDED, FAILED = [("CANCELLED", "")], [("FAILED", "")]
GONE_BACK = ([PAID], [RECEIPT, REFUND], NOBODY)
ONE_BOOKING = ([PAID], [RECEIPT], BOOKED)
TAKEN_FROM_THE_LIST = ([PAID, PAID], [RECEIPT, RECEIPT, REFUND], BOOKED)
# Places are those of the three times of the installation, the earliest first.
SCENARIOS = {
    "opening a page": Scenario(fill_cart, pay_now, click_again_and_pay, *ONE_BOOKING),
    "opening a page after one was lost": Scenario(
        fill_cart_and_lose_the_page, pay_now, click_again_and_pay, *ONE_BOOKING
    ),
    "a webhook of money": Scenario(be_paid, hear_last, nothing, *ONE_BOOKING),
    "a webhook of money that came twice": Scenario(
        be_paid_twice, hear_last, again(hear_last), [PAID], [RECEIPT, REFUND, SURPLUS], BOOKED
    ),
    "a webhook of a failure": Scenario(be_failed, hear_last, nothing, FAILED, [], NOBODY),
    "the worker's question": Scenario(be_paid, work_a_minute_later, nothing, *ONE_BOOKING),
    "the way back from the page": Scenario(be_paid, come_back, again(come_back), *ONE_BOOKING),
    "a donation": Scenario(be_given, hear_last, nothing, [("SUCCESS", "GIFT")], [("RECEIPT", 1_100)], NOBODY),
    "giving up": Scenario(open_page, give_up, again(give_up), ENDED, [], NOBODY),
    "releasing what nobody paid": Scenario(leave, work, nothing, FAILED, [], NOBODY),
    "mails and receipts": Scenario(be_booked, work, nothing, *ONE_BOOKING),
    "asking for a refund": Scenario(be_booked, ask_for_refund, again(ask_for_refund), *GONE_BACK),
    "cancelling": Scenario(be_booked, cancel, again(cancel), *GONE_BACK),
    "sending a refund": Scenario(be_refunded, work, nothing, *GONE_BACK),
    "settling a refund": Scenario(be_sent_back, work, nothing, *GONE_BACK),
    "hearing of a refund": Scenario(be_sent_back, hear_last, nothing, *GONE_BACK),
    "replacing a refund that failed": Scenario(be_sent_back_in_vain, work, nothing, *GONE_BACK),
    "offering another time": Scenario(
        lose_the_place, hear_last, hear_and_choose, [PAID, PAID], [RECEIPT, RECEIPT], BOTH
    ),
    "choosing another time": Scenario(
        *(be_offered_another_time, choose_another_time, again(choose_another_time)),
        *([PAID, PAID], [RECEIPT, RECEIPT], BOTH),
    ),
    "closing an offer": Scenario(
        choose_nothing, work, nothing, [PAID, BACK], [RECEIPT, RECEIPT, REFUND], OTHER
    ),
    "closing a time": Scenario(be_booked, close_the_time, again(close_the_time), *GONE_BACK),
    "moving": Scenario(be_booked, move, again(move), [PAID], [RECEIPT], MOVED),
    "trying again": Scenario(fail, try_again, try_again_and_pay, [("FAILED", ""), PAID], [RECEIPT], BOOKED),
    "offering a place of the waiting list": Scenario(
        free_the_place, work, be_offered_and_pay, *TAKEN_FROM_THE_LIST
    ),
    "taking a place of the waiting list": Scenario(
        be_about_to_take_the_place, take_the_place, take_the_place_and_pay, *TAKEN_FROM_THE_LIST
    ),
    "leaving the waiting list": Scenario(be_offered_a_place, leave_the_list, leave_it_again, *GONE_BACK),
}

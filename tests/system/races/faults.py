"""One customer, one cart, and a PhonePe that does something wrong: what the merchant has when all is over.

PhonePe is a process of its own, and its clock stands still: nothing happens by itself, time passes when the scenario
says so, on both sides. Its webhooks come over a real socket to the route that the real ones come to.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.db.models import DateTimeField, F, Model

from accounts.sessions import open_session
from booking.models import Booking, Checkout, SlotHold
from payment.models import LedgerEntry, Payment, PaymentAttempt, Refund, WebhookEvent
from tests.harness import builders
from tests.harness.customers import Customer, arrive, pay
from tests.harness.invariants import query, violations
from tests.harness.processes import Simulator, eventually
from worker.jobs import KINDS, run_due

PAISE = 110_000
# Long enough for pages, banks, repeated webhooks and slow refunds; and the puja is in three days.
MINUTE, HOUR = 60, 3_600
UNTIL_ALL_IS_OVER = (6 * MINUTE, 20 * MINUTE, 8 * HOUR)
# A refund that fails is repeated after a pause; one whose answer was lost is asked about first.
UNTIL_ALL_IS_BACK = (MINUTE, 10 * MINUTE, 10 * MINUTE)
MOST_ROUNDS = 20


@dataclass(frozen=True)
class Row:
    operation: str
    fault: str
    argument: str = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.operation, self.fault, self.argument)))


def rows(operation: str, faults: str) -> list[Row]:
    """`faults`: words, each the name of one, perhaps with its argument after a "="."""
    return [Row(operation, *fault.split("=")) for fault in faults.split()]


@dataclass(frozen=True)
class End:
    """`ledger`: our entries in their order. `phonepe`: what its account says was paid, and what was given back."""

    bookings: tuple[str, ...]
    fulfilment: str
    ledger: tuple[tuple[str, int], ...]
    phonepe: tuple[int, int]


class RequestTracker:
    """Knows the threads in which our server serves a request, up to the end of what it does after its answer.

    Of a caller who hangs up in the middle the test's server never says that it has done with them: its thread ends.
    """

    def __init__(self) -> None:
        self._busy: set[threading.Thread] = set()
        request_started.connect(self._begin)
        request_finished.connect(self._end)

    def is_idle(self) -> bool:
        return not any(thread.is_alive() for thread in tuple(self._busy))

    def _begin(self, **signal: Any) -> None:
        self._busy.add(threading.current_thread())

    def _end(self, **signal: Any) -> None:
        self._busy.discard(threading.current_thread())


class FaultScenario:
    def __init__(self, generation: str, phonepe: Simulator, shop: str) -> None:
        self.generation, self.phonepe = generation, phonepe
        self.tracker = RequestTracker()  # its signals know it as long as the scenario does
        user = builders.make_user()
        service = builders.make_service()
        self.slot = builders.make_slot(service)
        self.cart = builders.make_cart(user, builders.make_package(service), self.slot.starts_at)
        self.customer = Customer([shop], open_session(user).access)

    def inject_fault(self, row: Row, **how: Any) -> None:
        fault = {"operation": row.operation, "fault": row.fault, "argument": row.argument}
        self.phonepe.control("faults/", fault | how)

    def faults_left(self) -> list[Any]:
        return self.phonepe.control("faults/")["faults"]

    def click(self) -> int:
        """The status of the answer. A customer without a page clicks again, a little later."""
        first = answer = self.customer.check_out({"id": self.cart.pk})
        if not answer.ok:
            self.advance_time(2 * MINUTE)
            answer = self.customer.check_out({"id": self.cart.pk})
        assert answer.ok, answer.text
        self.page = answer.json()["payment_url"]
        return first.status_code

    def pay(self, comes_back: bool = True) -> None:
        """They come back as soon as their money has been taken; until then the page keeps them."""
        address = pay(self.page)
        self.webhooks_are_heard()
        if comes_back and address.startswith("http"):
            arrive(address)

    def cancel(self) -> None:
        book_id = self.customer.get("booking/bookings/")[0]["id"]
        answer = self.customer.post(
            f"booking/bookings/{book_id}/status/",
            {"status": "CANCELLED", "cancellation_reason": "The family is travelling"},
        )
        assert answer.ok, answer.text

    def advance_time(self, seconds: int) -> None:
        """On PhonePe's clock and on ours; then webhooks come, and the worker has its turn until nothing is due."""
        self.phonepe.control("clock/", {"advance": seconds})
        grow_older(timedelta(seconds=seconds))
        self.webhooks_are_heard()
        for _ in range(MOST_ROUNDS):
            if not run_due(KINDS, 100):
                return
        raise AssertionError("the worker turns in circles")

    def end_state(self) -> End:
        """Whatever can still come has come. The accounts are in order, and agree with PhonePe's."""
        pauses = UNTIL_ALL_IS_BACK if Refund.objects.exists() else ()
        for seconds in (*pauses, *UNTIL_ALL_IS_OVER):
            self.advance_time(seconds)
        self._nothing_is_on_its_way()
        assert violations(query) == {}
        return End(
            tuple(Booking.objects.order_by("pk").values_list("status", flat=True)),
            "+".join(Payment.objects.exclude(state="FAILED").values_list("fulfilment", flat=True)),
            tuple(LedgerEntry.objects.order_by("pk").values_list("kind", "amount_paise")),
            self._account(),
        )

    def events(self) -> list[tuple[str, int, str]]:
        """What was kept of PhonePe's webhooks: state, how often it came, and in what it differs."""
        return list(WebhookEvent.objects.order_by("pk").values_list("state", "deliveries", "differs"))

    def attempts(self) -> list[str]:
        return list(PaymentAttempt.objects.order_by("number").values_list("state", flat=True))

    def webhooks_are_heard(self) -> None:
        """Each has been sent once, or is put off by a fault; and what we ask after each of them has been asked."""
        eventually(lambda: all(map(is_tried, self._deliveries())), "every webhook has been tried")
        eventually(self.tracker.is_idle, "our server has nothing more to do")

    def _nothing_is_on_its_way(self) -> None:
        """Repeated webhooks have been heard too."""
        eventually(lambda: all(told["finished"] for told in self._deliveries()), "every webhook is finished")
        eventually(self.tracker.is_idle, "our server has nothing more to do")

    def _deliveries(self) -> list[dict[str, Any]]:
        return self.phonepe.control("deliveries/")["deliveries"]

    def _account(self) -> tuple[int, int]:
        merchants = self.phonepe.control("account/")["merchants"]
        mine = next(one for one in merchants if one["generation"] == self.generation)
        return mine["paid_paise"], mine["refunded_paise"]


def grow_older(by: timedelta) -> None:
    """Whatever the payments and their places know of time lies so much further back."""
    with transaction.atomic():
        for model in (*apps.get_app_config("payment").get_models(), Checkout, SlotHold):
            model.objects.update(**{name: F(name) - by for name in moments(model)})


def moments(model: type[Model]) -> Iterator[str]:
    for column in model._meta.concrete_fields:
        if isinstance(column, DateTimeField) and column.name != "starts_at":
            yield column.name


def is_tried(delivery: dict[str, Any]) -> bool:
    return delivery["finished"] or bool(delivery["last_status"] or delivery["last_error"])

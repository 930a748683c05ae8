"""An installation inside the test's own process and database: two customers, a guest, staff, PhonePe, a worker.

What is ours runs as a `Process`, which is killed at boundary `dies_at` if that is set.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.core.cache import cache
from django.db.models import DateTimeField, F, Model
from django.test import Client
from hypothesis import settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.sessions import open_session
from booking.models import Booking, Cart, Checkout, Slot, SlotHold, WaitingEntry
from notifications.models import Notification
from payment.models import Offer, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease
from payment.services.links import change_url, offer_url, return_url
from payment.states import Fulfilment
from simulator.models import Delivery
from simulator.webhook_deliveries import authentication_headers
from tests.harness import builders
from tests.harness.databases import delete_all_rows
from tests.harness.phonepe import CONTROL, PhonePe
from tests.system.properties import audit
from tests.system.properties.process import Process
from worker.jobs import DATABASE_KINDS, NOTIFICATION_KINDS, PHONEPE_KINDS, run_due

PAYMENTS = "/api/payments/payments/"
WAITING_LIST = "/api/booking/waiting/"
WEBHOOK = "/api/payments/webhook/phonepe/"
WORK = (*PHONEPE_KINDS, *DATABASE_KINDS, *NOTIFICATION_KINDS)
MINUTE, HOUR, DAY = 60, 3_600, 86_400
# Whatever waits for a moment. The pujas themselves move along with us.
WAITING: tuple[type[Model], ...] = (
    *(Checkout, SlotHold, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease, Offer, Notification),
    WaitingEntry,
)
LONG_WORK = 40
DEEP = not settings.default.derandomize
# Pages expire and their last questions are asked, offers end, refunds that have failed are said again.
QUIET_TIMES = (MINUTE, *[10 * MINUTE] * 4, HOUR, *[DAY] * 2, *[HOUR] * 4)

Row = TypeVar("Row")


class InProcessInstallation:
    def __init__(self) -> None:
        cache.clear()
        delete_all_rows()
        self.phonepe, self.dies_at = PhonePe(), None
        self.phonepe.reset()
        self.slots, self.package = _temple()
        # Confirmed: nobody else may wait for a place.
        confirmed = {"email_confirmed_at": builders.timezone.now()}
        self.customers = [
            browser(builders.make_user(f"devotee{n}@example.com", **confirmed)) for n in range(2)
        ]
        self.staff = browser(User.objects.create_superuser("staff@example.com", builders.PASSWORD))
        self.second = browser(User.objects.create_superuser("second@example.com", builders.PASSWORD))
        self.guest = APIClient()
        self.last = Process()

    # The customers

    def choose(self, customer: int, slot: int) -> Any:
        start = self.slots[slot].starts_at
        wanted = {
            "service_type": "PUJA",
            "puja_service": self.package.puja_service_id,
            "package_id": self.package.pk,
            "selected_date": f"{local(start):%Y-%m-%d}",
            "selected_time": f"{local(start):%H:%M}",
        }
        return self.ours(partial(self.customers[customer].post, "/api/cart/carts/", wanted, format="json"))

    def click(self, customer: int) -> Any:
        """ "Pay now", for the cart that this customer filled last."""
        cart = self.cart_of(customer)
        body = {"cart_id": cart.pk if cart else 0}
        return self.ours(
            partial(self.customers[customer].post, PAYMENTS + "process-cart/", body, format="json")
        )

    def give(self, rupees: int) -> Any:
        body = {"amount": rupees, "user_id": "guest@example.com"}
        return self.ours(partial(self.guest.post, PAYMENTS + "process-cart/", body, format="json"))

    def give_up(self, customer: int) -> Any:
        cart = self.cart_of(customer)
        address = f"/api/cart/carts/{cart.pk if cart else 0}/cleanup_old_payments/"
        return self.ours(partial(self.customers[customer].post, address))

    def come_back(self, payment: Payment) -> Any:
        return self.ours(partial(Client().get, urlsplit(return_url(payment)).path))

    def check(self, payment: Payment) -> Any:
        browser_of = next((one for one in self.customers if one.user.pk == payment.user_id), self.guest)
        return self.ours(partial(browser_of.get, f"{PAYMENTS}{payment.pk}/check-booking/"))

    def cancel(self, booking: Booking) -> Any:
        owner = next(one for one in self.customers if one.user.pk == booking.user_id)
        body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
        return self.ours(
            partial(owner.post, f"/api/booking/bookings/{booking.pk}/status/", body, format="json")
        )

    def move(self, booking: Booking, slot: Slot) -> Any:
        """By the link of the mail, which anybody may hold."""
        address = urlsplit(change_url(booking)).path.replace("/booking/", "/api/booking/changes/")
        return self.ours(partial(self.guest.post, f"{address}move/", {"slot": slot.pk}, format="json"))

    def try_again(self, payment: Payment) -> Any:
        owner = next((one for one in self.customers if one.user.pk == payment.user_id), self.guest)
        return self.ours(partial(owner.post, f"{PAYMENTS}{payment.pk}/try-again/", {}, format="json"))

    def wait_for(self, customer: int, slot: Slot) -> Any:
        body = {"slot": slot.pk, "package_id": self.package.pk}
        return self.ours(partial(self.customers[customer].post, WAITING_LIST, body, format="json"))

    def answer_waiting(self, entry: WaitingEntry, *, leaves: bool) -> Any:
        owner = next(one for one in self.customers if one.user.pk == entry.user_id)
        address = f"{WAITING_LIST}{entry.pk}/"
        return self.ours(
            partial(owner.delete, address) if leaves else partial(owner.post, f"{address}accept/")
        )

    def answer_offer(self, payment: Payment, slot: Slot | None) -> Any:
        body = {"slot": slot.pk} if slot else {"decline": True}
        address = urlsplit(offer_url(payment)).path.replace("/offer/", "/api/payments/offers/")
        return self.ours(partial(self.guest.post, address, body, format="json"))

    def cart_of(self, customer: int) -> Cart | None:
        return Cart.objects.filter(user=self.customers[customer].user).order_by("-pk").first()

    # The staff

    def refund(self, payment: Payment, rupees: int | None = None) -> Any:
        body = {"reason": "the priest is ill"} | ({"amount": f"{rupees}.00"} if rupees else {})
        return self.ours(partial(self.staff.post, f"{PAYMENTS}{payment.pk}/refund/", body, format="json"))

    def resolve(self, payment: Payment, action: str) -> Any:
        return self.ours(
            partial(self.staff.post, f"{PAYMENTS}{payment.pk}/resolve/", {"action": action}, format="json")
        )

    def close(self, slot: Slot, then: str) -> Any:
        body = {"reason": "the temple is closed", "then": then}
        return self.ours(partial(self.staff.post, f"/api/puja/slots/{slot.pk}/close/", body, format="json"))

    # PhonePe

    def decide(self, merchant_order_id: str, outcome: str, **how: Any) -> None:
        """It refuses what is not possible, as paying twice."""
        self._control(f"orders/{merchant_order_id}/decide/", {"outcome": outcome, **how})

    def decide_refund(self, refund: Refund, outcome: str) -> None:
        self._control(f"refunds/{refund.merchant_refund_id}/decide/", {"outcome": outcome})

    def call_us(self, delivery: Delivery) -> Any:
        body = delivery.body.encode()
        headers = authentication_headers(delivery)
        return self.ours(
            lambda: Client().post(WEBHOOK, body, content_type="application/json", headers=headers)
        )

    def _control(self, path: str, body: dict[str, Any]) -> None:
        answer = self.phonepe.client.post(CONTROL + path, body, content_type="application/json")
        assert answer.status_code in (200, 404, 409), answer.content

    # Our worker, and time

    def work(self) -> int:
        """One look at everything that is due. None: it died."""
        return self.ours(partial(run_due, WORK))

    def advance_time(self, seconds: int) -> None:
        span = timedelta(seconds=seconds)
        for model in WAITING:
            model._default_manager.update(**{name: F(name) - span for name in _moments(model)})
        self.phonepe.advance_clock(seconds)

    def wait_until_at_rest(self, *, webhooks_arrive: bool = True) -> None:
        """Everything is mended, nobody wants anything any more, and time goes by until all is in order."""
        self.dies_at = None
        self.phonepe.clear_faults()
        for seconds in QUIET_TIMES:
            for delivery in self.phonepe.webhooks if webhooks_arrive else ():
                self.call_us(delivery)
            self.work_until_idle()
            if not audit.at_rest():
                return
            self.advance_time(seconds)
        assert audit.at_rest() == {}

    def work_until_idle(self) -> None:
        for _ in range(LONG_WORK):
            if not self.work():
                return
        raise AssertionError("the worker never comes to an end")

    def ours(self, action: Callable[[], Any]) -> Any:
        """What our process does. Nobody asks about the same payment twice in two seconds: they have passed."""
        Payment.objects.update(asked_at=None)
        self.last = Process(self.dies_at)
        answer = self.last.run(action)
        left = (self.dies_at or 0) - len(self.last.crossed)
        self.dies_at = left if left > 0 else None
        status = getattr(answer, "status_code", 200)
        assert status < 500 or status in (502, 503, 504), answer.content
        return answer


def pick(rows: Sequence[Row], number: int) -> Row | None:
    return rows[number % len(rows)] if rows else None


def waiting_for_choice() -> Any:
    return Payment.objects.filter(fulfilment=Fulfilment.OFFERED).order_by("pk")


def browser(user: User) -> APIClient:
    client = APIClient()
    client.user = user
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user).access}")
    return client


def _temple() -> tuple[list[Slot], Any]:
    """The first two times have one place each; the third comes too soon for money to go back by the policy."""
    service = builders.make_service("Griha Pravesh")
    places = ((3, 1), (4, 1), (1, 2))
    slots = [builders.make_slot(service, days=days, capacity=capacity) for days, capacity in places]
    return slots, builders.make_package(service)


def _moments(model: type[Model]) -> list[str]:
    fields = model._meta.concrete_fields
    return [field.name for field in fields if isinstance(field, DateTimeField) and field.name != "starts_at"]


def local(moment: Any) -> Any:
    return builders.timezone.localtime(moment)

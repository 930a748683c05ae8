"""Acts as the customer at the simulated PhonePe through its control API. The outcome is applied like any other."""

import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404

from accounts.models import User
from booking.services import demo_cart
from core import waiting
from core.errors import Conflict, Unavailable
from payment.models import Payment, PaymentAttempt
from payment.phonepe import transport
from payment.phonepe.credentials import for_identity
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.transport import Deadline
from payment.services.checkout import start_payment
from payment.services.status import refresh
from payment.states import AttemptState

DEMO_EMAIL = "demo@example.com"
CONTROL_SECONDS = 5
REFRESH_SECONDS = 8
OUTCOMES = ("success", "failure", "attempt_failed", "expire", "late_success")


@dataclass
class Demo:
    """One whole demo payment: the steps it went through, each with what it took in milliseconds."""

    payment: Payment
    steps: list[dict[str, object]] = field(default_factory=list)


def refuse_without_simulation() -> None:
    """Outside simulation these routes do not exist."""
    if not settings.PHONEPE_SIMULATION_MODE:
        raise Http404


def simulate(payment: Payment, outcome: str) -> Payment:
    """Let the simulated customer of this payment's newest order do `outcome`, then poll as always."""
    refuse_without_simulation()
    attempt = payment.attempts.latest("number")
    if not attempt.simulated or attempt.state == AttemptState.CREATED:
        raise Conflict("This payment has no page at the simulated PhonePe.", code="not_simulated")
    decide(attempt, outcome)
    return refresh(payment, REFRESH_SECONDS, "simulation")


def demo_payment() -> Demo:
    """From an empty cart to a confirmed booking, by the ordinary functions."""
    refuse_without_simulation()
    clock = _Clock()
    user, is_new = User.objects.get_or_create(email=DEMO_EMAIL, defaults={"first_name": "Demo"})
    if is_new:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    cart = demo_cart(user)
    clock.lap("cart", f"cart {cart.pk} for {cart.puja_service.title}")
    start = start_payment(user, cart_id=cart.pk)
    clock.lap("process-cart", f"order {start.attempt.merchant_order_id}")
    decide(start.attempt, "success")
    clock.lap("customer pays", "outcome success")
    payment = refresh(start.payment, REFRESH_SECONDS, "simulation")
    clock.lap("ask PhonePe and settle", f"{payment.state}, {payment.fulfilment}")
    return Demo(payment, clock.steps)


def decide(attempt: PaymentAttempt, outcome: str) -> None:
    """What the simulated customer does on the page of this order."""
    base = urlsplit(for_identity(attempt.identity).endpoints[0].base_url)
    url = f"{base.scheme}://{base.netloc}/simulator/control/orders/{attempt.merchant_order_id}/decide/"
    headers = {"Content-Type": "application/json", "X-Ops-Token": settings.OPS_TOKEN}
    session = transport.session()
    with waiting.wait_slots.reserve(waiting.SHORT_WAIT_SECONDS) as may_wait:
        if not may_wait:
            raise Unavailable
        in_flight = session.start_request(Deadline(CONTROL_SECONDS))
        body = json.dumps({"outcome": outcome}).encode()
        answer = session.send_request(in_flight, "POST", url, body=body, headers=headers)
    if answer.http_status == 409:
        raise Conflict("The simulated order has ended already.", code="order_ended")
    if answer.http_status != 200:
        raise _Refused(f"The simulated PhonePe answered {answer.http_status}.", code="simulator_refused")


class _Refused(Unavailable):
    error_category = ErrorCategory.BAD_RESPONSE


class _Clock:
    def __init__(self) -> None:
        self.steps: list[dict[str, object]] = []
        self.since = time.monotonic()

    def lap(self, step: str, detail: str) -> None:
        now = time.monotonic()
        self.steps.append({"step": step, "ms": round((now - self.since) * 1000), "detail": detail})
        self.since = now

"""The overview page. Each button calls the control API."""

import json
from typing import Any

from django.conf import settings
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from simulator import clock, control, control_auth, events, refunds, snapshots, transitions
from simulator.models import Attempt, Delivery, Fault, FaultRate, Merchant, Order, Refund, State
from simulator.pages import format_rupees
from simulator.views import simulation_only, wakes_dispatcher
from simulator.wire import Request, read_object

ROWS_SHOWN = 20
PAY_LATE = ("late_success", "Pay late")
# The possible outcomes in each state, with the labels of their buttons.
BUTTONS = {
    State.PENDING: [
        ("success", "Pay"),
        ("attempt_failed", "Wrong PIN"),
        ("failure", "Fail"),
        ("expire", "Expire"),
        PAY_LATE,
    ],
    State.FAILED: [PAY_LATE],
}
SUMS = ("paid_paise", "refunded_paise", "refunds_open_paise")
NUMBERS = {"advance", "seed"}
NO_FIELDS = {"path", "csrfmiddlewaretoken"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@simulation_only
@csrf_protect
@wakes_dispatcher
def overview(request: HttpRequest) -> HttpResponse:
    if not (control_auth.may_control(request) or control_auth.is_signed_in(request)):
        return _sign_in_page(request)
    if request.method != "POST":
        return render(request, "simulator/overview.html", _build_context())
    # A form has only text; numbers and booleans of the control API are converted.
    fields: dict[str, Any] = {
        name: value for name, value in request.POST.items() if value and name not in NO_FIELDS
    }
    for name, value in fields.items():
        if name == "stopped":
            fields[name] = value == "yes"
        elif name in NUMBERS and value.isascii() and value.isdigit():
            fields[name] = int(value)
    body = json.dumps(fields).encode()
    answer = control.handle(Request("POST", control.PREFIX + request.POST.get("path", ""), body=body))
    if answer.status == 200:
        return HttpResponseRedirect(reverse("simulator:overview"))
    problem = (read_object(answer.body) or {}).get("error")
    return render(
        request, "simulator/overview.html", _build_context() | {"problem": problem}, status=answer.status
    )


@never_cache
@require_POST
@simulation_only
@csrf_protect
def sign_in(request: HttpRequest) -> HttpResponse:
    if not control_auth.is_ops_token(request, request.POST.get("token", "")):
        return _sign_in_page(request, "This is not the ops token.")
    return control_auth.set_cookie(request, HttpResponseRedirect(reverse("simulator:overview")))


def _sign_in_page(request: HttpRequest, problem: str = "") -> HttpResponse:
    context = {"problem": problem, "possible": bool(settings.OPS_TOKEN)}
    return render(request, "simulator/sign_in.html", context, status=403)


def _build_context() -> dict[str, Any]:
    transitions.apply_all_due()
    refunds.settle_due()
    attempts = Prefetch("attempts", Attempt.objects.order_by("pk"))
    refunds_of_orders = Prefetch("refunds", Refund.objects.order_by("pk"))
    newest = (
        Order.objects.select_related("merchant").prefetch_related(attempts, refunds_of_orders).order_by("-pk")
    )
    accounts = [snapshots.serialize_account(merchant) for merchant in Merchant.objects.order_by("pk")]
    for account in accounts:
        account |= {name: format_rupees(account[name]) for name in SUMS}
    return {
        "now": clock.now(),
        "stopped": clock.is_stopped(),
        "orders": [_order_context(order) for order in newest[:ROWS_SHOWN]],
        "deliveries": Delivery.objects.order_by("-pk")[:ROWS_SHOWN],
        "events": list(events.EVENTS),
        "faults": Fault.objects.filter(times_left__gt=0).order_by("pk"),
        "fault_rates": FaultRate.objects.filter(percent__gt=0).order_by("pk"),
        "accounts": accounts,
    }


def _order_context(order: Order) -> dict[str, Any]:
    attempts = [
        {"row": attempt, "rupees": format_rupees(attempt.amount_paise)} for attempt in order.attempts.all()
    ]
    refunds_of_orders = [
        {"row": refund, "rupees": format_rupees(refund.amount_paise)} for refund in order.refunds.all()
    ]
    return {
        "row": order,
        "rupees": format_rupees(order.amount_paise),
        "outcomes": BUTTONS.get(State(order.state), []),
        "paid": order.state == State.COMPLETED,
        "tries": attempts,
        "refunds": refunds_of_orders,
    }

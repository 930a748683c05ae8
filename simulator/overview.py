"""PhonePe's books on one page, with the strings behind the stage as buttons: each calls the control door."""

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
from simulator.models import Attempt, Delivery, Fault, Luck, Merchant, Order, Refund, State
from simulator.pages import rupees
from simulator.views import rings, simulation_only
from simulator.wire import Request, read_object

NEWEST = 20
NUMBERS = {"advance", "seed"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@simulation_only
@csrf_protect
@rings
def overview(request: HttpRequest) -> HttpResponse:
    if not (control_auth.may_control(request) or control_auth.is_signed_in(request)):
        return _ask_who(request)
    if request.method != "POST":
        return render(request, "simulator/overview.html", _books())
    body = json.dumps(_wish(request)).encode()
    answer = control.handle(Request("POST", control.PREFIX + request.POST.get("path", ""), body=body))
    if answer.status == 200:
        return HttpResponseRedirect(reverse("simulator:overview"))
    problem = (read_object(answer.body) or {}).get("error")
    return render(request, "simulator/overview.html", _books() | {"problem": problem}, status=answer.status)


@never_cache
@require_POST
@simulation_only
@csrf_protect
def sign_in(request: HttpRequest) -> HttpResponse:
    if not control_auth.knows_token(request.POST.get("token", "")):
        return _ask_who(request, "This is not the ops token.")
    return control_auth.remember(request, HttpResponseRedirect(reverse("simulator:overview")))


def _ask_who(request: HttpRequest, problem: str = "") -> HttpResponse:
    shown = {"problem": problem, "possible": bool(settings.OPS_TOKEN)}
    return render(request, "simulator/sign_in.html", shown, status=403)


def _wish(request: HttpRequest) -> dict[str, Any]:
    """A form knows only text; what the control door wants as a number or a truth becomes one."""
    fields = {name: _read(name, value) for name, value in request.POST.dict().items() if value}
    for name in ("path", "csrfmiddlewaretoken"):
        fields.pop(name, None)
    return fields


def _read(name: str, value: object) -> object:
    text = str(value)
    if name == "stopped":
        return text == "yes"
    return int(text) if name in NUMBERS and text.isascii() and text.isdigit() else text


def _books() -> dict[str, Any]:
    transitions.catch_up_due()
    refunds.settle_due()
    tries = Prefetch("attempts", Attempt.objects.order_by("pk"))
    returns = Prefetch("refunds", Refund.objects.order_by("pk"))
    newest = Order.objects.select_related("merchant").prefetch_related(tries, returns).order_by("-pk")
    return {
        "now": clock.now(),
        "stopped": clock.is_stopped(),
        "orders": [_order(order) for order in newest[:NEWEST]],
        "deliveries": Delivery.objects.order_by("-pk")[:NEWEST],
        "events": list(events.EVENTS),
        "faults": Fault.objects.filter(times_left__gt=0).order_by("pk"),
        "luck": Luck.objects.filter(percent__gt=0).order_by("pk"),
        "accounts": [_account(merchant) for merchant in Merchant.objects.order_by("pk")],
    }


def _order(order: Order) -> dict[str, Any]:
    tries = [{"row": tried, "rupees": rupees(tried.amount_paise)} for tried in order.attempts.all()]
    returns = [{"row": refund, "rupees": rupees(refund.amount_paise)} for refund in order.refunds.all()]
    return {
        "row": order,
        "rupees": rupees(order.amount_paise),
        "outcomes": _outcomes(order),
        "paid": order.state == State.COMPLETED,
        "tries": tries,
        "refunds": returns,
    }


def _outcomes(order: Order) -> list[tuple[str, str]]:
    """What can be decided now, with what the button says."""
    if order.state == State.COMPLETED:
        return []
    late = ("late_success", "Pay late")
    if order.state == State.FAILED:
        return [late]
    return [
        ("success", "Pay"),
        ("attempt_failed", "Wrong PIN"),
        ("failure", "Fail"),
        ("expire", "Expire"),
        late,
    ]


def _account(merchant: Merchant) -> dict[str, Any]:
    said = snapshots.account(merchant)
    return said | {
        name: rupees(said[name]) for name in ("paid_paise", "refunded_paise", "refunds_open_paise")
    }

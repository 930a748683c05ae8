"""What a customer sees in the browser: one page without scripts, whose buttons decide what happens."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from simulator import clock, instruments, orders, transitions, v1_messages
from simulator.models import Attempt, Order, State
from simulator.orders import Choice
from simulator.v2_messages import REASONS
from simulator.views import rings, simulation_only

BAD_ADDRESS = "Incorrect UPI details. Please check the UPI ID entered."


# The token in the address is the customer's secret; a cookie beside it would protect nothing more.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@simulation_only
@rings
def page(request: HttpRequest, token: str) -> HttpResponse:
    order = get_object_or_404(Order.objects.select_related("merchant"), page_token=token)
    transitions.catch_up(order)
    if request.method == "POST":
        return _decide(request, order)
    return _show(request, order)


def _decide(request: HttpRequest, order: Order) -> HttpResponse:
    """The customer's choice. As long as the order is open they stay, unless they close the page."""
    outcome = request.POST.get("choice", "")
    try:
        paid_with = instruments.chosen(request.POST.get("means", ""), request.POST.get("upi_id", "").strip())
        orders.decide(order, outcome, Choice(means=paid_with))
    except instruments.BadAddress:
        return _show(request, order, BAD_ADDRESS)
    except transitions.NotPossible as impossible:
        order.refresh_from_db()
        return _show(request, order, str(impossible), status=409)
    if order.state == State.PENDING and outcome != "close":
        return HttpResponseRedirect(reverse("simulator:page", args=[order.page_token]))
    return _back_to_shop(request, order)


def _back_to_shop(request: HttpRequest, order: Order) -> HttpResponse:
    if order.redirect_mode == Order.RedirectMode.REDIRECT:
        return HttpResponseRedirect(order.redirect_url)
    fields = v1_messages.returned_form(order, _last_try(order))
    return render(request, "simulator/return.html", {"action": order.redirect_url, "fields": fields})


def _show(request: HttpRequest, order: Order, problem: str = "", status: int = 200) -> HttpResponse:
    left = order.expires_at - clock.now()
    shown = {
        "order": order,
        "rupees": rupees(order.amount_paise),
        "minutes_left": max(-(-left // timedelta(minutes=1)), 0),
        "means": _means(request, order),
        "upi_id": request.POST.get("upi_id", ""),
        "problem": problem or _why_failed(order),
    }
    return render(request, "simulator/page.html", shown, status=status)


def _means(request: HttpRequest, order: Order) -> list[dict[str, Any]]:
    names = order.offered or list(instruments.MEANS)
    picked = request.POST.get("means") or names[0]
    return [{"name": name, "label": instruments.MEANS[name][0], "picked": name == picked} for name in names]


def _why_failed(order: Order) -> str:
    """Of an order that is still open: its last try."""
    last = _last_try(order)
    if order.state != State.PENDING or last is None or last.state != State.FAILED:
        return ""
    why = {"ZM": "Wrong PIN", "Z9": "Insufficient balance"}
    known = REASONS.get(last.detailed_error_code)
    said = why.get(last.detailed_error_code) or (known[-1] if known else "The payment failed")
    return f"{said}. No money was taken; you can try again."


def _last_try(order: Order) -> Attempt | None:
    last: Attempt | None = order.attempts.order_by("pk").last()
    return last


def rupees(paise: int) -> str:
    """Indian grouping: 14990000 paise are 1,49,900.00."""
    whole, rest = divmod(paise, 100)
    head, tail = f"{whole}"[:-3], f"{whole}"[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail]) + f".{rest:02}"

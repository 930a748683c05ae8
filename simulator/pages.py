"""The payment page. It needs no JavaScript; its buttons decide the outcome."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from simulator import clock, destinations, instruments, orders, transitions, v1_messages
from simulator.models import Attempt, Order, State
from simulator.orders import Choice
from simulator.v2_messages import REASONS
from simulator.views import simulation_only, wakes_dispatcher

BAD_ADDRESS = "Incorrect UPI details. Please check the UPI ID entered."
NO_WAY_BACK = "The shop's return address is no address of this site. You can close this page."


# The token in the URL is the secret; a CSRF cookie would add no protection.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@simulation_only
@wakes_dispatcher
def page(request: HttpRequest, token: str) -> HttpResponse:
    pages = Order.objects.select_related("merchant").filter(for_app=False)
    order = get_object_or_404(pages, page_token=token)
    transitions.apply_due(order)
    if request.method == "POST":
        return _decide(request, order)
    return _show(request, order)


def _decide(request: HttpRequest, order: Order) -> HttpResponse:
    """The customer's choice. They stay on the page while the order is open, unless they close it."""
    outcome = request.POST.get("choice", "")
    try:
        instrument = instruments.parse_choice(
            request.POST.get("means", ""), request.POST.get("upi_id", "").strip()
        )
        orders.decide(order, outcome, Choice(instrument=instrument))
    except instruments.InvalidVpa:
        return _show(request, order, BAD_ADDRESS)
    except transitions.NotAllowed as impossible:
        order.refresh_from_db()
        return _show(request, order, str(impossible), status=409)
    if order.state == State.PENDING and outcome != "close":
        return HttpResponseRedirect(reverse("simulator:page", args=[order.page_token]))
    if not destinations.is_allowed(order.redirect_url):
        return _show(request, order, NO_WAY_BACK, status=409)
    if order.redirect_mode == Order.RedirectMode.REDIRECT:
        return HttpResponseRedirect(order.redirect_url)
    fields = v1_messages.build_return_form(order, _last_attempt(order))
    return render(request, "simulator/return.html", {"action": order.redirect_url, "fields": fields})


def _show(request: HttpRequest, order: Order, problem: str = "", status: int = 200) -> HttpResponse:
    left = order.expires_at - clock.now()
    names = order.offered or list(instruments.INSTRUMENTS)
    selected = request.POST.get("means") or names[0]
    context = {
        "order": order,
        "rupees": format_rupees(order.amount_paise),
        "minutes_left": max(-(-left // timedelta(minutes=1)), 0),
        "means": [
            {"name": name, "label": instruments.INSTRUMENTS[name][0], "picked": name == selected}
            for name in names
        ],
        "upi_id": request.POST.get("upi_id", ""),
        "problem": problem or _failure_message(order),
    }
    return render(request, "simulator/page.html", context, status=status)


def _failure_message(order: Order) -> str:
    """Of the last attempt, while the order is still open."""
    last = _last_attempt(order)
    if order.state != State.PENDING or last is None or last.state != State.FAILED:
        return ""
    messages = {"ZM": "Wrong PIN", "Z9": "Insufficient balance"}
    known = REASONS.get(last.detailed_error_code)
    message = messages.get(last.detailed_error_code) or (known[-1] if known else "The payment failed")
    return f"{message}. No money was taken; you can try again."


def _last_attempt(order: Order) -> Attempt | None:
    last: Attempt | None = order.attempts.order_by("pk").last()
    return last


def format_rupees(paise: int) -> str:
    """Indian grouping: 14990000 paise are 1,49,900.00."""
    whole, rest = divmod(paise, 100)
    head, tail = f"{whole}"[:-3], f"{whole}"[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail]) + f".{rest:02}"

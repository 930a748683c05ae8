"""The HTTP door: the API, the strings behind the stage, and the page a customer sees."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from simulator import clock, core, courier, endings, orders, sockets, v1_messages
from simulator import control as strings
from simulator.models import Order, State
from simulator.wire import Request, Response

View = Callable[..., HttpResponse]


def simulation_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.PHONEPE_SIMULATION_MODE:
            raise Http404
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            courier.ring()
        return response

    return guarded


@csrf_exempt
@simulation_only
def api(request: HttpRequest, rest: str) -> HttpResponse:
    return _write(request, core.handle(_read(request)))


@csrf_exempt
@simulation_only
def control(request: HttpRequest, rest: str) -> HttpResponse:
    if not _may_control(request):
        return JsonResponse({"error": "Only the operator may control the simulator."}, status=403)
    return _write(request, strings.handle(_read(request)))


# The token in the address is the customer's secret; a cookie beside it would protect nothing more.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@simulation_only
def page(request: HttpRequest, token: str) -> HttpResponse:
    order = get_object_or_404(Order.objects.select_related("merchant"), page_token=token)
    endings.catch_up(order)
    if request.method == "POST":
        return _decide(request, order)
    return render(request, "simulator/page.html", _shown(order))


def _decide(request: HttpRequest, order: Order) -> HttpResponse:
    """The customer's choice; `close` decides nothing and goes back to the shop."""
    choice = request.POST.get("choice", "")
    if choice != "close":
        try:
            orders.decide(order, choice)
        except orders.NotPossible as impossible:
            order.refresh_from_db()
            return render(request, "simulator/page.html", _shown(order) | {"problem": impossible}, status=409)
        if order.state == State.PENDING:
            return HttpResponseRedirect(reverse("simulator:page", args=[order.page_token]))
    return _back_to_shop(request, order)


def _back_to_shop(request: HttpRequest, order: Order) -> HttpResponse:
    if order.redirect_mode == Order.RedirectMode.REDIRECT:
        return HttpResponseRedirect(order.redirect_url)
    fields = v1_messages.returned_form(order, order.attempts.order_by("pk").last())
    return render(request, "simulator/return.html", {"action": order.redirect_url, "fields": fields})


def _shown(order: Order) -> dict[str, Any]:
    left = order.expires_at - clock.now()
    last = order.attempts.order_by("pk").last()
    return {
        "order": order,
        "rupees": rupees(order.amount_paise),
        "minutes_left": max(-(-left // timedelta(minutes=1)), 0),
        "wrong_pin": order.state == State.PENDING and last is not None and last.state == State.FAILED,
    }


def rupees(paise: int) -> str:
    """Indian grouping: 14990000 paise are 1,49,900.00."""
    whole, rest = divmod(paise, 100)
    head, tail = f"{whole}"[:-3], f"{whole}"[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail]) + f".{rest:02}"


def _may_control(request: HttpRequest) -> bool:
    """Whoever sits at this machine; behind a proxy everybody seems to, and then the ops token decides."""
    offered = request.headers.get("X-Ops-Token", "")
    if settings.OPS_TOKEN and constant_time_compare(offered, settings.OPS_TOKEN):
        return True
    from_elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    return (
        settings.NUM_PROXIES == 0 and _is_loopback(request.META.get("REMOTE_ADDR", "")) and not from_elsewhere
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _read(request: HttpRequest) -> Request:
    return Request(request.method or "GET", request.path, request.GET.dict(), request.headers, request.body)


def _write(request: HttpRequest, response: Response) -> HttpResponse:
    if response.breakage:
        sockets.break_off(request.META, response.breakage)
        # Nobody reads this, unless the server would not let go of its socket.
        return HttpResponse(b"", status=502)
    if response.seconds_late:
        sockets.wait(request.META, response.seconds_late)
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))

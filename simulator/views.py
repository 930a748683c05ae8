"""The HTTP door: the API, and the strings behind the stage."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from simulator import control as strings
from simulator import dispatcher, openapi, router, sockets
from simulator.control_auth import may_control
from simulator.wire import Request, Response

View = Callable[..., HttpResponse]


def simulation_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.PHONEPE_SIMULATION_MODE:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def rings(view: View) -> View:
    """What a POST has decided is told at once, after it is committed."""

    @wraps(view)
    def ringing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            dispatcher.ring()
        return response

    return ringing


@csrf_exempt
@simulation_only
def api(request: HttpRequest, rest: str) -> HttpResponse:
    response = router.handle(_read(request))
    if request.method == "POST":
        dispatcher.ring(at_once=False)
    return _write(request, response)


def operator_only(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_control(request):
            return JsonResponse({"error": "Only the operator may control the simulator."}, status=403)
        return view(request, *args, **kwargs)

    return guarded


@csrf_exempt
@simulation_only
@operator_only
@rings
def control(request: HttpRequest, rest: str) -> HttpResponse:
    return _write(request, strings.handle(_read(request)))


@simulation_only
@operator_only
def description(request: HttpRequest) -> HttpResponse:
    return JsonResponse(openapi.document())


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

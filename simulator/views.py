"""HTTP views of the API and of the control API."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from simulator import control as control_api
from simulator import dispatcher, openapi, router, sockets
from simulator.control_auth import may_control
from simulator.wire import Request, Response

View = Callable[..., HttpResponse]


def simulation_only(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.PHONEPE_SIMULATION_MODE:
            raise Http404
        return view(request, *args, **kwargs)

    return wrapped


def wakes_dispatcher(view: View) -> View:
    """Wakes the dispatcher after a POST is committed."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            dispatcher.wake()
        return response

    return wrapped


@csrf_exempt
@simulation_only
def api(request: HttpRequest, rest: str) -> HttpResponse:
    response = router.handle(_read(request))
    if request.method == "POST":
        dispatcher.wake(at_once=False)
    return _write(request, response)


def operator_only(view: View) -> View:
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_control(request):
            return JsonResponse({"error": "Only the operator may control the simulator."}, status=403)
        return view(request, *args, **kwargs)

    return wrapped


@csrf_exempt
@simulation_only
@operator_only
@wakes_dispatcher
def control(request: HttpRequest, rest: str) -> HttpResponse:
    return _write(request, control_api.handle(_read(request)))


@simulation_only
@operator_only
def description(request: HttpRequest) -> HttpResponse:
    return JsonResponse(openapi.document())


def _read(request: HttpRequest) -> Request:
    return Request(request.method or "GET", request.path, request.GET.dict(), request.headers, request.body)


def _write(request: HttpRequest, response: Response) -> HttpResponse:
    if response.connection_fault:
        sockets.break_connection(request.META, response.connection_fault)
        # Only sent when the server gives no access to its socket.
        return HttpResponse(b"", status=502)
    if response.delay_seconds:
        sockets.wait_for_caller(request.META, response.delay_seconds)
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))

"""What stands between the server and the views."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from okpuja.bodies import FAULT, Fault
from okpuja.errors import LengthRequired, Refusal, TooLarge, TooSlow, Unreadable, refuse

GetResponse = Callable[[HttpRequest], HttpResponse]

REFUSALS: dict[Fault, type[Refusal]] = {
    Fault.UNREADABLE: Unreadable,
    Fault.TOO_LARGE: TooLarge,
    Fault.TOO_SLOW: TooSlow,
    Fault.NO_LENGTH: LengthRequired,
}


class BodyMiddleware:
    """Answers a request whose body could not be read, whichever route it is for and whether that reads a body."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        fault = request.META.get(FAULT)
        return refuse(request, REFUSALS[fault]()) if fault else self.get_response(request)

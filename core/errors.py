"""All error responses of the API.

    APIException
    ├── Refusal              an expected error: 400, 404, 422, 429 …
    │   ├── Conflict         409: right request, wrong moment
    │   ├── Unreadable, TooSlow, LengthRequired, TooLarge
    │   │                    400, 408, 411, 413: a body that cannot be read, or is above DATA_UPLOAD_MAX_MEMORY_SIZE
    │   └── Unavailable      503: a part of ours is busy or down; nothing was done, so it may be repeated
    └── (the framework's own: validation, login, permission, not found, throttled)

The first key is always `error`, one sentence for a person, again in `detail` and `message`: each page of the frontends
shows another one of the three.
`user_message` is the same in the reader's language, or English where nobody has translated it. `error_category` tells
the caller which part failed; `hop`, `host` and `port` in the log tell the person who operates this server.
"""

import logging
import math
import sys
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, NotFound, Throttled, ValidationError
from rest_framework.exceptions import PermissionDenied as Forbidden
from rest_framework.response import Response

from core.language import ENGLISH, Text, language_of
from core.logging import request_id
from core.prepared import StalePlan

logger = logging.getLogger(__name__)

# PostgreSQL: deadlock detected, lock not available, serialization failure.
BUSY_SQLSTATES = {"40P01", "55P03", "40001"}


class Refusal(APIException):
    """An expected error. `code` is for machines, the message for a person, `extra` is added to the answer.

    A message that is marked for translation (gettext_lazy) is English in `detail`, and in the reader's language in
    `user_message`; any other one is English in both.
    """

    status_code = 400
    default_code = "refused"
    default_detail: Text = "This is not possible."
    error_category = "REQUEST"
    retryable = False
    retry_after: int | None = None

    def __init__(self, detail: Text | None = None, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail, code)
        self.message = self.default_detail if detail is None else detail
        self.code = code or self.default_code
        self.extra = extra

    def user_message(self, language: str) -> str:
        """For the customer, in their language."""
        return translated(self, language)


class InvalidField(ValidationError):
    """400 about one field, where the sentence holds a value: its translation cannot be looked up by the English one."""

    def __init__(self, name: str, message: Text) -> None:
        super().__init__({name: [message]})
        self.message = message


class Conflict(Refusal):
    status_code = 409
    default_code = "conflict"


class TooLarge(Refusal):
    status_code = 413
    default_code = "too_large"
    default_detail = _("The request is too large.")


class Unreadable(Refusal):
    default_code = "bad_request"
    default_detail = _("The request did not arrive whole.")


class TooSlow(Refusal):
    status_code = 408
    default_code = "body_too_slow"
    default_detail = _("The request took too long to arrive. Please try again.")
    retryable = True


class LengthRequired(Refusal):
    status_code = 411
    default_code = "length_required"
    default_detail = _("This server reads no body without a Content-Length.")


class Unavailable(Refusal):
    status_code = 503
    default_code = "busy"
    default_detail = _("We are very busy at the moment. Please try again in a few seconds.")
    error_category = "THIS_SERVER"
    retryable = True
    retry_after = 2


class Crowded(Unavailable):
    """As many people open payments as this server lets call PhonePe. Nothing was written, nothing was charged."""

    default_detail = _(
        "Many people are paying at this moment. Nothing was charged. Please wait a few seconds, and press Pay again."
    )


class DatabaseBusy(Unavailable):
    error_category = "DATABASE"


class DatabaseDown(Unavailable):
    default_code = "database_down"
    default_detail = _("Our database does not answer. Please try again in a minute.")
    error_category = "DATABASE"


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None means an unexpected error: Django answers 500 and logs the stack."""
    api_error = _as_api_exception(error)
    if api_error is None:
        return None
    request = context.get("request")
    language = language_of(request) if request else ENGLISH
    response = Response(error_body(api_error, language), status=api_error.status_code)
    if header := getattr(api_error, "auth_header", None):
        response["WWW-Authenticate"] = header
    add_retry_after(response, api_error)
    return response


def add_retry_after(response: HttpResponseBase, error: APIException) -> None:
    """When to come again, where the error says so."""
    wait = getattr(error, "wait", None)  # of Throttled
    seconds = getattr(error, "retry_after", None) if wait is None else int(wait) + 1
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)


def error_body(error: APIException, language: str = ENGLISH) -> dict[str, Any]:
    """The JSON of one error. Pages show the first value, `detail` or `message`: the sentence is in all three."""
    sentence = _sentence(error.detail)
    is_validation = isinstance(error, ValidationError)
    code = "validation" if is_validation else str(getattr(error, "code", None) or error.default_code)
    answer: dict[str, Any] = {"error": sentence, "detail": sentence, "message": sentence, "code": code}
    if is_validation and isinstance(error.detail, dict):
        answer |= {name: messages for name, messages in error.detail.items() if name not in answer}
        answer["fields"] = error.detail
    answer |= {
        "error_category": getattr(error, "error_category", "REQUEST"),
        "user_message": translated(error, language),
        "retryable": getattr(error, "retryable", isinstance(error, Throttled)),
        "request_id": request_id.get(),
    }
    return answer | getattr(error, "extra", {})


def translated(error: APIException, language: str) -> str:
    """Its sentence in this language; English if it has no translation."""
    message = getattr(error, "message", None)
    with translation.override(language):
        if message is not None:
            return str(message)
        if wait := getattr(error, "wait", None):  # of Throttled
            later = gettext("This was asked too often. Please try again in %(seconds)s seconds.")
            return later % {"seconds": math.ceil(wait)}
        return translation.gettext(_sentence(error.detail))


def refusal_response(request: HttpRequest, refusal: APIException) -> HttpResponse:
    """For middleware: the same JSON without REST framework."""
    response = JsonResponse(error_body(refusal, language_of(request)), status=refusal.status_code)
    add_retry_after(response, refusal)
    return response


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return JsonResponse(error_body(NotFound()), status=404)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return JsonResponse(error_body(Refusal("The request could not be read.", code="bad_request")), status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return JsonResponse(error_body(Forbidden()), status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """A bug of ours: the log has the stack, the caller gets the request id. A database without an answer is no bug."""
    error = sys.exc_info()[1]  # Django calls this while it handles the error
    if isinstance(error, (OperationalError, InterfaceError)):
        return refusal_response(request, _database_refusal(error))
    logger.error(
        "internal error: our code raised an exception", extra={"hop": "own_code", "path": request.path}
    )
    fault = Refusal("Something went wrong on our side. Please try again.", code="internal_error")
    fault.error_category = "OWN_CODE"
    return JsonResponse(error_body(fault), status=500)


def _as_api_exception(error: Exception) -> APIException | None:
    if isinstance(error, APIException):
        return error
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return Forbidden()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, UnreadablePostError):  # the client hung up
        return Unreadable()
    if isinstance(error, (OperationalError, InterfaceError)):
        return _database_refusal(error)
    return None


def _database_refusal(error: DatabaseError | InterfaceError) -> Unavailable:
    refusal = DatabaseBusy() if is_busy(error) else DatabaseDown()
    target = connections["default"].settings_dict
    if target.get("HOST"):
        address = {"host": target["HOST"], "port": target.get("PORT") or 5432}
    else:  # SQLite, or PostgreSQL by its local socket
        address = {"host": "", "port": "", "file": str(target.get("NAME", ""))}
    cause = type(error.__cause__ or error).__name__  # its text may hold a row
    fields = {"hop": "database", "code": refusal.code, "cause": cause}
    logger.error("the database is down or busy", extra={**fields, **address})
    return refusal


def is_busy(error: Exception) -> bool:
    """Deadlock, lock timeout, SQLite's "database is locked", a migration: the caller may repeat it in a moment."""
    cause = error.__cause__
    if isinstance(error, StalePlan):
        return True
    return getattr(cause, "sqlstate", None) in BUSY_SQLSTATES or "locked" in str(error)


def _sentence(detail: Any) -> str:
    if isinstance(detail, dict):
        detail = next(iter(detail.values()), "")
    if isinstance(detail, list):
        return _sentence(detail[0]) if detail else ""
    if isinstance(detail, dict):
        return _sentence(detail)
    return str(detail)

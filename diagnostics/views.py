"""The diagnosis over HTTP: short for everyone, full for operators; as JSON, page or text. Health: without a login."""

import functools
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth import get_user
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.parsers import FormParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts import second_factor
from accounts.authentication import ActiveUserAuthentication, BearerScheme
from accounts.models import User
from accounts.permissions import may
from core import counters, waiting
from core.counters import Count, memory_counters
from core.errors import Conflict
from core.guesses import TooManyAttempts
from core.networks import client_address
from core.ops_token import check_ops_token
from core.throttling import CallerThrottle
from core.waiting import SHORT_WAIT_SECONDS, InProgress, WaitSlots
from diagnostics import dependencies
from diagnostics.deadlines import begin, from_database, result
from diagnostics.render import PageRenderer, TextRenderer
from diagnostics.runner import SECONDS, DiagnosisRunning, diagnose, latest_report
from diagnostics.serializers import DiagnosisSerializer, ShortDiagnosisSerializer, TestPaymentRequest
from payment.phonepe.transport import Deadline

OPS_TOKEN = OpenApiParameter("X-Ops-Token", str, OpenApiParameter.HEADER, description="opens the full answer")
STRICT = OpenApiParameter("strict", bool, description="answer 503 unless all is well")
FORMAT = OpenApiParameter("format", str, enum=["json", "html", "text"], description="a browser gets html")

READ_RIGHT, RUN_RIGHT = "payment.view_diagnosisrun", "payment.add_diagnosisrun"
COOKIE, SALT = "diagnosis", "payment.diagnosis.door"
COOKIE_SECONDS = 8 * 3600
AFTERWARDS = 1.0  # seconds that are left for the answer and its page

T = TypeVar("T")
posted_runs = InProgress()  # each takes a thread for ten seconds: one at a time is enough
TIMEOUT = 5.0  # seconds; orchestrators give up soon after
check_slots = WaitSlots(2)  # of this check only; without one, other checks are waiting for the database


class OptionalLogin(ActiveUserAuthentication):
    """A login that cannot be checked, because the database is down or silent, still gets the short diagnosis."""

    def authenticate(self, request: Request) -> Any:
        return _within_timeout(functools.partial(super().authenticate, request))


class DiagnosisThrottle(CallerThrottle):
    """Does not wait for a silent database either: then it counts in this process."""

    scope = "diagnosis"

    def count(self, subject: str) -> Count:
        counted = (self.scope, subject, self.duration, self.now)
        return from_database(lambda: counters.count(*counted)) or memory_counters.count(*counted)


class OptionalLoginScheme(BearerScheme):
    name = "diagnosisJwtAuth"
    target_class = OptionalLogin


@method_decorator(never_cache, name="dispatch")
class DiagnosisViewSet(ViewSet):
    """Takes no address: it probes only what is configured. It never starts a payment."""

    authentication_classes = (OptionalLogin,)
    permission_classes = (AllowAny,)
    throttle_classes = (DiagnosisThrottle,)
    renderer_classes = (JSONRenderer, PageRenderer, TextRenderer)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The ten seconds begin before throttle and login, which wait for a locked database as well."""
        self.deadline = Deadline(SECONDS - AFTERWARDS)
        super().initial(request, *args, **kwargs)

    def get_renderers(self) -> list[BaseRenderer]:
        """Pages and text for GET only; programs that POST get JSON."""
        if self.request.method in {"GET", "HEAD"} or self.action == "door":
            return super().get_renderers()
        return [JSONRenderer()]

    @extend_schema(
        operation_id="debug_connectivity",
        parameters=[OPS_TOKEN, STRICT, FORMAT],
        responses={200: DiagnosisSerializer, 503: DiagnosisSerializer},
    )
    @action(detail=False, url_path="debug-connectivity", url_name="connectivity")
    def latest(self, request: Request) -> Response:
        """The last diagnosis, at most thirty seconds old: what is wrong, and who has to act."""
        # First the rights: to look them up may take a share of the ten seconds.
        serializer = DiagnosisSerializer if may_read_all(request) else ShortDiagnosisSerializer
        report = latest_report(deadline=self.deadline)
        is_strict = request.query_params.get("strict", "").lower() in {"1", "true"}
        return Response(serializer(report).data, status=503 if is_strict and not report["success"] else 200)

    @extend_schema(
        operation_id="debug_connectivity_now",
        parameters=[OPS_TOKEN],
        request=TestPaymentRequest,
        responses=DiagnosisSerializer,
    )
    @latest.mapping.post
    def run(self, request: Request) -> Response:
        """A new diagnosis at once, with a question to PhonePe even if it is simulated. Not in production."""
        if not has_token_or_right(request, RUN_RIGHT):
            raise PermissionDenied if request.user.is_authenticated else NotAuthenticated
        TestPaymentRequest(data=request.data).is_valid(raise_exception=True)
        if settings.PHONEPE_ENV == "PRODUCTION":
            raise Conflict("This is not done in production.", code="not_in_production")
        if not posted_runs.begin("fresh"):
            raise DiagnosisRunning
        try:
            return Response(DiagnosisSerializer(diagnose(self.deadline, ask_simulator=True)).data)
        finally:
            posted_runs.end("fresh")

    @extend_schema(exclude=True)
    @action(
        detail=False,
        methods=["post"],
        url_path="debug-connectivity/door",
        url_name="connectivity-door",
        authentication_classes=(),
        parser_classes=(FormParser,),
        renderer_classes=(PageRenderer,),
        http_method_names=("post",),
    )
    def door(self, request: Request) -> HttpResponseRedirect:
        """OPS_TOKEN, typed into the page, gives this browser a cookie for the full page. Needs no database."""
        page = reverse("debug-connectivity")
        if not knows_token(request, str(request.data.get("ops_token", ""))):
            return HttpResponseRedirect(f"{page}?refused=1", status=303)
        answer = HttpResponseRedirect(page, status=303)
        answer.set_signed_cookie(
            COOKIE,
            _cookie_value(),
            salt=SALT,
            max_age=COOKIE_SECONDS,
            path=page.rstrip("/"),  # with and without the last slash
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Strict",
        )
        return answer


def may_read_all(request: Request) -> bool:
    """Operators, and a browser with the cookie or the session of staff who hold READ_RIGHT.

    For GET only: a browser sends cookies by itself, also with requests that another site makes it send.
    """
    if has_token_or_right(request, READ_RIGHT):
        return True
    try:
        cookie = request._request.get_signed_cookie(COOKIE, "", salt=SALT, max_age=COOKIE_SECONDS)
    except BadSignature:
        cookie = ""
    if settings.OPS_TOKEN and constant_time_compare(cookie or "", _cookie_value()):
        return True
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return False
    return bool(_within_timeout(functools.partial(_session_holds, request, READ_RIGHT)))


def _session_holds(request: Request, right: str) -> bool:
    user = get_user(request._request)
    return isinstance(user, User) and user.holds(right) and second_factor.has_passed(request._request)


def has_token_or_right(request: Request, right: str) -> bool:
    """Whoever knows OPS_TOKEN, and staff with the right. An empty OPS_TOKEN is known to nobody."""
    if knows_token(request, request.headers.get("X-Ops-Token", "")):
        return True
    return request.user.is_authenticated and bool(_within_timeout(functools.partial(may, request, right)))


def knows_token(request: Request, offered: str) -> bool:
    """Raises TooManyAttempts. Without the database guesses are limited by the rate of this page only."""
    if not offered or not settings.OPS_TOKEN:
        return False
    address = client_address(request._request)
    found = from_database(lambda: check_ops_token(offered, address), (TooManyAttempts,))
    return constant_time_compare(offered, settings.OPS_TOKEN) if found is None else found


def _cookie_value() -> str:
    """A new OPS_TOKEN invalidates all cookies of the former one."""
    return salted_hmac(SALT, settings.OPS_TOKEN).hexdigest()


def _within_timeout(find: Callable[[], T]) -> T | None:
    """What the database says about the caller; None when it fails, or does not answer in time."""
    with waiting.wait_slots.reserve(waiting.SHORT_WAIT_SECONDS) as may_wait:
        try:
            return from_database(find, (AuthenticationFailed,), even_if_failed=True) if may_wait else None
        except AuthenticationFailed:
            return None


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while this process answers at all. `build` says which code it runs."""
    return JsonResponse({"status": "alive", "build": settings.BUILD})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and has every table this code expects, else 503.

    `database` is "unknown" when it was not asked, because other checks of this process wait for its answer.
    """
    fault = "unchecked"
    # In a thread, because a database that accepts connections and does not answer would block for ever.
    with check_slots.reserve(SHORT_WAIT_SECONDS) as may_wait, suppress(TimeoutError):
        if may_wait:
            fault, deadline = "down", Deadline(TIMEOUT)
            fault = result(begin(dependencies.check_database, deadline), deadline).fault
    answer = {
        "status": "not ready" if fault else "ready",
        "database": {"": "ok", "migrations": "ok", "unchecked": "unknown"}.get(fault, "down"),
        "migrations": {"": "applied", "migrations": "pending"}.get(fault, "unknown"),
    }
    return JsonResponse(answer, status=503 if fault else 200)

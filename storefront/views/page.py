"""What all pages of the shop have in common: the switch, the language, who is signed in, errors for people."""

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views import View
from rest_framework.exceptions import APIException, Throttled

from accounts.models import User
from core import errors
from core.errors import add_retry_after, handle_exception, page_not_found, translated
from core.language import language_of
from core.networks import client_address, network_of
from core.page_rates import find_excess
from core.throttling import user_subject
from payment.gateways import NotSent, OutcomeUnknown
from payment.views.pages import SeeOther, sentence_of
from storefront.sessions import customer_of

DEMO_EMAIL = "devotee@example.com"
KEPT_COOKIE, KEPT_SECONDS = "desk-kept", 600
# PhonePe has not given us a page to pay on, whatever it knows of the order.
NO_PAGE = (NotSent, OutcomeUnknown)


class Page(View):
    """`template` is rendered in the language of the reader. With STOREFRONT off there is no such page."""

    template: ClassVar[str]
    # Of the query string, what this page understands. Nothing else of it is ever written into a page.
    parameters: ClassVar[tuple[str, ...]] = ()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.STOREFRONT:
            return page_not_found(request)
        try:
            with translation.override(self.language):
                if self.customer:
                    self.count("user")
                return super().dispatch(request, *args, **kwargs)
        except (Http404, APIException, OperationalError, InterfaceError) as error:
            return trouble_page(request, error, self.language)

    @cached_property
    def has_session(self) -> bool:
        return settings.SESSION_COOKIE_NAME in self.request.COOKIES

    @cached_property
    def customer(self) -> User | None:
        return customer_of(self.request) if self.has_session else None

    @cached_property
    def language(self) -> str:
        """Chosen here, else of the profile, else of the browser."""
        is_chosen = settings.LANGUAGE_COOKIE_NAME in self.request.COOKIES
        if not is_chosen and self.has_session and (customer := self._customer_if_reachable()):
            return customer.language
        return language_of(self.request)

    def _customer_if_reachable(self) -> User | None:
        try:
            return self.customer
        except (OperationalError, InterfaceError):  # the page says so, in some language
            return None

    @property
    def address(self) -> str:
        """Of the caller."""
        return client_address(self.request)

    def count(self, scope: str) -> None:
        """Counts the request, as the API does: by person, else by network. Raises Throttled."""
        subject = user_subject(self.customer.pk) if self.customer else network_of(self.address)
        wait = find_excess(scope, subject)
        if wait is not None:
            raise Throttled(wait)

    def show(self, status: int = HTTPStatus.OK, **context: Any) -> HttpResponse:
        facts = {"language": self.language, "customer": self.customer, "demo": demo(self.request)}
        facts["here"] = self.here()
        return render(self.request, self.template, facts | context, status=status)

    def refuse(self, refusal: APIException, **context: Any) -> HttpResponse:
        """The page as it was, with the sentence of the refusal: nothing that was typed is lost."""
        status = max(refusal.status_code, HTTPStatus.BAD_REQUEST)  # NotLoggedIn is a 200 of the API
        answer = self.show(status, **context, notice=self.sentence_of(refusal))
        add_retry_after(answer, refusal)
        return answer

    def here(self) -> str:
        """The address of this page, as links to it are written."""
        return address_with(
            self.request.path, {name: self.request.GET.get(name, "") for name in self.parameters}
        )

    def sentence_of(self, error: APIException) -> str:
        """For the reader."""
        return sentence_of(error, self.language)


class CustomerPage(Page):
    """For people who are signed in; others sign in first, and come back."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.STOREFRONT and self._customer_if_reachable() is None:
            return SeeOther(f"{reverse('shop-login')}?{urlencode({'next': self.here()})}")
        return super().dispatch(request, *args, **kwargs)

    @property
    def person(self) -> User:
        assert self.customer is not None  # noqa: S101 - `dispatch` has looked
        return self.customer


def address_with(path: str, values: dict[str, Any]) -> str:
    """Without those that are empty."""
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path


def demo(request: HttpRequest) -> dict[str, Any] | None:
    """The login for demonstrations: in simulation, and for those who may operate the simulator."""
    if not may_see_demo(request):
        return None
    password = settings.DEMO_PASSWORD
    return {"email": DEMO_EMAIL, "password": password, "has_outbox": bool(settings.EMAIL_FOLDER)}  # type: ignore[misc]


def may_see_demo(request: HttpRequest) -> bool:
    """Whoever reads the mails of a demonstration can sign in as anybody: only people at this machine, and operators."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return False
    may_control: Callable[[HttpRequest], bool] = import_string(settings.SIMULATOR_MAY_CONTROL)
    return may_control(request)


def trouble_page(request: HttpRequest, error: Exception, language: str) -> HttpResponse:
    """The error page, with the sentence and the status code of the API. Raises an error that nobody expects."""
    answer = handle_exception(error, {"request": request})
    if answer is None:
        raise error
    is_missing = answer.status_code == HTTPStatus.NOT_FOUND
    with translation.override(language):
        sentence = (
            translated(error, language) if isinstance(error, APIException) else answer.data["user_message"]
        )
        context = {"language": language, "is_missing": is_missing, "sentence": sentence}
        page = render(request, "storefront/trouble.html", context, status=answer.status_code)
    if "Retry-After" in answer:
        page["Retry-After"] = answer["Retry-After"]
    return page


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """For an address that this server does not have: a page for people, JSON for programs."""
    if settings.STOREFRONT and reads_pages(request):
        answer = trouble_page(request, Http404(), language_of(request))
    else:
        answer = page_not_found(request, exception)
    patch_vary_headers(answer, ("Accept",))
    return answer


def reads_pages(request: HttpRequest) -> bool:
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")


def server_error(request: HttpRequest) -> HttpResponse:
    """Without a database, also at the desk: a page for people, JSON for programs, as of all other errors."""
    error = sys.exc_info()[1]  # Django calls this while it handles the error
    if isinstance(error, (OperationalError, InterfaceError)) and reads_pages(request):
        return trouble_page(request, error, language_of(request))
    return errors.server_error(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form whose cookie is gone or blocked, or that another site has sent. Nothing was done."""
    language = language_of(request)
    with translation.override(language):
        sentence = _("Nothing was sent: this page was open for too long, or your browser keeps no cookies.")
        is_desk = request.path_info.startswith("/admin/")
        context = {
            "language": language,
            "sentence": sentence,
            "back": request.get_full_path() if is_desk else "",
        }
        page = render(request, "storefront/trouble.html", context, status=HTTPStatus.FORBIDDEN)
    if is_desk:  # the form, when it is shown again, fills in what was written (drafts.js)
        options: dict[str, Any] = {
            "path": "/admin/",
            "secure": settings.CSRF_COOKIE_SECURE,
            "samesite": "Lax",
        }
        page.set_cookie(KEPT_COOKIE, "1", max_age=KEPT_SECONDS, **options)
    return page

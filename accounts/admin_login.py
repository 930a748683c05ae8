"""The admin's two pages that look at a password: a refusal of the guard is 429 there, too."""

from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.forms import AuthenticationForm

from accounts import second_factor
from accounts.login_guard import begin_password_check
from accounts.models import Session, User
from accounts.session_ends import end_all
from core.errors import refusal_response
from core.guesses import TooManyAttempts
from core.networks import client_address, network_of
from core.page_rates import find_excess, too_many_requests

FOUND = 302
TOO_MANY = TooManyAttempts.default_code


class LoginForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except TooManyAttempts as refusal:
            raise forms.ValidationError(
                str(refusal.message), TOO_MANY, {"wait": int(refusal.wait) + 1}
            ) from None


def admin_login(request: HttpRequest) -> HttpResponse:
    """Password first; then, on a page of the desk, the second factor, which a session without it is led to."""
    if request.method != "POST":
        if admin.site.has_login(request) and not second_factor.has_passed(request):  # type: ignore[attr-defined]
            following = urlencode({"next": request.GET.get("next", "")})
            return redirect(f"{reverse('desk:second-factor')}?{following}")
        return admin.site.login(request)
    wait = find_excess("login", network_of(client_address(request)))
    if wait is not None:
        return too_many_requests(request, wait)
    response = admin.site.login(request)
    if response.status_code == FOUND:
        second_factor.begin(request, cast(User, request.user))
    form = getattr(response, "context_data", {}).get("form")
    for error in form.non_field_errors().as_data() if form else ():
        if error.code == TOO_MANY:
            response.status_code = 429
            response["Retry-After"] = str(error.params["wait"])
    return response


def admin_password_change(request: HttpRequest) -> HttpResponse:
    return admin.site.admin_view(_change_password, cacheable=True)(request)


def _change_password(request: HttpRequest) -> HttpResponse:
    """The old password may be a guess, too: of anyone who found an open browser."""
    if request.method != "POST":
        return admin.site.password_change(request)
    try:
        attempt = begin_password_check(cast(int, request.user.pk), client_address(request))
    except TooManyAttempts as refusal:
        return refusal_response(request, refusal)
    response = admin.site.password_change(request)
    form = getattr(response, "context_data", {}).get("form")
    if form is None or "old_password" not in form.errors:
        attempt.was_right()
    if response.status_code == FOUND:  # changed: every session but this one ends
        user = cast(User, request.user)
        end_all(user, Session.EndedBecause.PASSWORD)
        update_session_auth_hash(request, user)
    return response

"""The second step of a login, and how staff set it up. A password opens these pages, so they guard themselves."""

from functools import wraps
from typing import Any, cast

import segno
from django import forms
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from accounts import second_factor
from accounts.models import User
from backoffice.pages import View, show
from core.texts import plain_line

PENDING = "second_factor_pending"  # of the session: a secret that is being set up


class CodeForm(forms.Form):
    code = forms.CharField(
        label=gettext_lazy("Code of the app, or a recovery code"),
        max_length=40,
        validators=[plain_line],
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


def after_password(view: View) -> View:
    """For staff whose password was right, whether or not the second step is done."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not admin.site.has_login(request):  # type: ignore[attr-defined]
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return view(request, *args, **kwargs)

    guarded: View = sensitive_post_parameters()(page)
    guarded.rights = ()  # type: ignore[attr-defined]
    return guarded


@after_password
def step(request: HttpRequest) -> HttpResponse:
    """The code of a login; `?next=` is where it goes on."""
    user = cast(User, request.user)
    if not second_factor.is_due(request):
        return redirect("admin:index" if second_factor.has_passed(request) else "desk:second-factor-setup")
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if second_factor.is_right(user, form.cleaned_data["code"]):
            second_factor.pass_step(request)
            return redirect(_following(request))
        form.add_error("code", _refusal(user))
    return _show_outside(request, "backoffice/second_factor.html", _("Second factor"), form=form)


def _refusal(user: User) -> str:
    if wait := second_factor.seconds_to_wait(user):
        return _("This code is wrong or was used before. Wait %(seconds)d s before the next one.") % {
            "seconds": wait
        }
    return _("This code is wrong or was used before.")


def _following(request: HttpRequest) -> str:
    asked = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, request.is_secure())
    return asked if is_ours else reverse("admin:index")


@after_password
def setup(request: HttpRequest) -> HttpResponse:
    """Shows a new secret as a QR code; the first right code of the app confirms it. Then the recovery codes, once."""
    if second_factor.is_due(request):  # a new phone is set up by who has the old one
        return redirect("desk:second-factor")
    user = cast(User, request.user)
    secret = request.session.get(PENDING) or second_factor.new_secret()
    request.session[PENDING] = secret
    enrolment, form = second_factor.Enrolment(user, secret), CodeForm(request.POST or None)
    form.fields["code"].label = _("Code that the app shows now")
    if request.method == "POST" and form.is_valid():
        codes = second_factor.confirm(enrolment, form.cleaned_data["code"])
        if codes is not None:
            del request.session[PENDING]
            second_factor.pass_step(request)
            return show(request, "backoffice/recovery_codes.html", _("Recovery codes"), codes=codes)
        form.add_error("code", _("This is not the code of this secret. Compare the clock of the phone."))
    return _show_outside(
        request,
        "backoffice/second_factor_setup.html",
        _("Set up a second factor"),
        form=form,
        typed=enrolment.typed,
        picture=segno.make_qr(enrolment.address, error="m").svg_data_uri(scale=5, border=4, light="#fff"),
        former=second_factor.device_of(user),
    )


def _show_outside(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """Without the sidebar while the second step is missing: nothing in it would open."""
    has_passed = second_factor.has_passed(request)
    return show(
        request, template, title, is_nav_sidebar_enabled=has_passed, is_outside=not has_passed, **context
    )

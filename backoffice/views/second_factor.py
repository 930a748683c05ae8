"""The second step of a login, and how staff set it up. A password opens these pages, so they guard themselves."""

from functools import wraps
from typing import Any, cast

import segno
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from accounts import second_factor
from accounts.models import User
from backoffice.pages import View, sentence_of, show
from core.language import Text
from core.texts import plain_line

PENDING = "second_factor_pending"  # of the session: a secret that is being set up


def code_field(label: Text, **attrs: object) -> forms.CharField:
    attributes = {"autocomplete": "one-time-code", "spellcheck": "false", **attrs}
    return forms.CharField(
        label=label, max_length=40, validators=[plain_line], widget=forms.TextInput(attrs=attributes)
    )


class CodeForm(forms.Form):
    code = code_field(gettext_lazy("Code of the app, or a recovery code"), autofocus=True)


class SetupForm(forms.Form):
    code = code_field(gettext_lazy("Code that the app shows now"))


class ReplacementForm(SetupForm):
    former = code_field(gettext_lazy("Code of your former phone, or a recovery code"))


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
        code = form.cleaned_data["code"]
        if second_factor.is_right(user, code):
            second_factor.pass_step(request)
            if second_factor.is_recovery_code(code):
                messages.warning(request, _left(second_factor.recovery_codes_left(user)))
            return redirect(_following(request))
        form.add_error("code", _refusal(user, code))
    return _show_outside(request, "backoffice/second_factor.html", _("Second factor"), form=form)


def _refusal(user: User, code: str) -> str:
    return sentence_of(second_factor.SecondFactorWrong(second_factor.seconds_to_wait(user, code)))


def _left(codes: int) -> str:
    return (
        ngettext(
            "%d recovery code is left. Set up a new phone under Second factor.",
            "%d recovery codes are left. If your phone is lost, set up a new one under Second factor.",
            codes,
        )
        % codes
    )


def _following(request: HttpRequest) -> str:
    next_url = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(next_url, {request.get_host()}, request.is_secure())
    return next_url if is_ours else reverse("admin:index")


@after_password
def setup(request: HttpRequest) -> HttpResponse:
    """Shows a new secret as a QR code; the first right code of the app confirms it. Then the recovery codes, once.

    Whoever has a second factor shows it once more: a browser that was left open is not enough to replace it.
    """
    if second_factor.is_due(request):  # a new phone is set up by who has the old one
        return redirect("desk:second-factor")
    user = cast(User, request.user)
    secret = request.session.get(PENDING) or second_factor.new_secret()
    request.session[PENDING] = secret
    enrolment, former = second_factor.Enrolment(user, secret), second_factor.device_of(user)
    form = (ReplacementForm if former else SetupForm)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        step = enrolment.step_of(form.cleaned_data["code"])
        if step is None:  # before the former code is looked at, which works once
            form.add_error("code", _("This is not the code of this secret. Compare the clock of the phone."))
        elif _shows_former(user, form):
            codes = second_factor.confirm(enrolment, step)
            del request.session[PENDING]
            update_session_auth_hash(request, user)  # every other login has ended
            second_factor.pass_step(request)
            return show(request, "backoffice/recovery_codes.html", _("Recovery codes"), codes=codes)
    return _show_outside(
        request,
        "backoffice/second_factor_setup.html",
        _("Set up a second factor"),
        form=form,
        typed=enrolment.typed,
        picture=segno.make_qr(enrolment.address, error="m").svg_data_uri(scale=5, border=4, light="#fff"),
        former=former,
    )


def _shows_former(user: User, form: forms.Form) -> bool:
    """False for a wrong code of the second factor that is to be replaced; the form says so."""
    code = form.cleaned_data.get("former")
    if code is None or second_factor.is_right(user, code):
        return True
    form.add_error("former", _refusal(user, code))
    return False


def _show_outside(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    """Without the sidebar while the second step is missing: nothing in it would open."""
    has_passed = second_factor.has_passed(request)
    return show(
        request, template, title, is_nav_sidebar_enabled=has_passed, is_outside=not has_passed, **context
    )

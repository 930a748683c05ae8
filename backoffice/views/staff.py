"""Who works here: their roles, in words, and their second factors."""

from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.second_factor import device_of, forget_device
from accounts.staff_roles import RoleRefused, assign_role, staff
from backoffice import rights
from backoffice.pages import ask_first, desk_page, sentence_of, show
from core.texts import plain_line


class RoleForm(forms.Form):
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        required=False,
        widget=forms.RadioSelect,
        choices=[*rights.NAMES.items(), ("", gettext_lazy("No role: a customer"))],
    )
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, validators=[plain_line])


@desk_page(rights.ASSIGN_ROLES)
def people(request: HttpRequest) -> HttpResponse:
    with_device = set(TOTPDevice.objects.filter(confirmed=True).values_list("user", flat=True))
    members = [
        (
            each,
            [rights.NAMES.get(group.name, group.name) for group in each.groups.all()],
            each.pk in with_device,
        )
        for each in staff()
    ]
    return show(request, "backoffice/staff.html", _("Staff"), members=members)


@desk_page(rights.ASSIGN_ROLES)
def role(request: HttpRequest, pk: int) -> HttpResponse:
    """What each role may do, and the choice. Every session of the person ends with it."""
    person = get_object_or_404(User, pk=pk)
    current = person.groups.values_list("name", flat=True).first() or ""
    form = RoleForm(request.POST or None, initial={"role": current})
    if request.method == "POST" and form.is_valid():
        try:
            assign_role(pk, form.cleaned_data["role"], cast(User, request.user), form.cleaned_data["reason"])
            messages.success(request, _("The role is changed; all logins of the person have ended."))
            return redirect("desk:staff")
        except RoleRefused as refusal:
            form.add_error(None, sentence_of(refusal))
    own = [rights.WORDS.get(each, each) for each in sorted(person.get_user_permissions())]
    return show(
        request,
        "backoffice/role.html",
        person.full_name or person.email,
        person=person,
        form=form,
        current=rights.NAMES.get(current, current),
        own=own,
        device=device_of(person),
        roles=[
            (rights.NAMES[name], [rights.WORDS[each] for each in rights.WORDS if each in names])
            for name, names in rights.ROLES.items()
        ],
        trail=[(_("Staff"), reverse("desk:staff"))],
    )


@desk_page(rights.ASSIGN_ROLES)
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    """The phone is lost: the person sets up another one at the next login."""
    if request.method != "POST":
        return redirect("desk:role", pk)
    person = get_object_or_404(User, pk=pk)
    by = cast(User, request.user)
    if person == by:
        messages.warning(request, _("Your own one is replaced under Second factor, with a code of it."))
        return redirect("desk:role", pk)
    if person.holds_everything and not by.holds_everything:
        messages.warning(request, _("Only a superuser removes the second factor of a superuser."))
        return redirect("desk:role", pk)
    consequence = _(
        "All logins of {who} end. At the next one the password is enough to set up another phone."
    )
    question = ask_first(
        request,
        _("Remove the lost second factor"),
        consequence.format(who=person.full_name or person.email),
        reverse("desk:role", args=[pk]),
    )
    if question:
        return question
    forget_device(person, by)
    messages.success(request, _("The second factor is removed; all logins of the person have ended."))
    return redirect("desk:role", pk)

from textwrap import wrap
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static import admin as static_admin  # noqa: F401 - registers StaticDevice
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import admin as totp_admin  # noqa: F401 - registers TOTPDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist import admin as token_blacklist_admin  # noqa: F401 - registers these
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.api_keys import create_key, revoke_key, rotate_key
from accounts.models import LONGEST_REASON, Address, ApiKey, PanCard, Session, User
from accounts.pan_cards import KeyIsMissing, mask, number_of
from accounts.search import PhoneSearch
from accounts.services import lock_user
from accounts.session_ends import end, end_all
from core.long_lists import LongList
from core.read_only import ReadOnly
from core.shown_once import shown_once

admin.site.unregister(Group)
# With the secrets of people; `desk:second-factor` is their page.
admin.site.unregister([TOTPDevice, StaticDevice])
# Tables of a library that are not used any more.
admin.site.unregister([OutstandingToken, BlacklistedToken])


# A change of one of them ends every session of the account.
ENDS_SESSIONS = {"email", "role", "account_status", "is_staff", "is_superuser", "groups", "user_permissions"}


RIGHTS = {
    "view": _("{subject}: view"),
    "add": _("{subject}: add"),
    "change": _("{subject}: change"),
    "delete": _("{subject}: delete"),
    "assign_role": _("Can choose the role of staff"),
    "export_pan": _("Can take the PANs of donors along"),
}


class RightsField(forms.ModelMultipleChoiceField):
    """Rights one by one, for superusers; Django names them in English, with the words of the code."""

    def label_from_instance(self, right: Any) -> str:
        model = right.content_type.model_class()
        subject = model._meta.verbose_name_plural if model else right.content_type.name
        verb = right.codename if right.codename in RIGHTS else right.codename.partition("_")[0]
        return str(RIGHTS.get(verb, right.name)).format(subject=subject)


class PersonForm(UserChangeForm):
    """What was stored before it was refused must not stop staff from suspending its owner."""

    def _get_validation_exclusions(self) -> set[str]:
        unchanged = {"email", "phone", "first_name", "last_name"} - {*self.changed_data}
        return super()._get_validation_exclusions() | unchanged


class PasswordForm(AdminPasswordChangeForm):
    """Every session of the account ends, in the list as well."""

    @transaction.atomic
    def save(self, commit: bool = True) -> Any:
        user = super().save(commit)
        end_all(user, Session.EndedBecause.PASSWORD)
        return user


class AddressForm(forms.ModelForm):
    class Meta:
        model = Address
        fields = "__all__"  # noqa: DJ007 - a person's address is theirs to the last column

    def validate_constraints(self) -> None:
        """The one constraint speaks of all addresses of a person together: the formset sees to it."""


class AddressFormSet(BaseInlineFormSet):
    """The default moves in one go: the former one is unset before the next one is set."""

    def clean(self) -> None:
        super().clean()
        if len(self._defaults()) > 1:
            raise forms.ValidationError(_("Only one address can be the default."))

    def save(self, commit: bool = True) -> Any:
        defaults = self._defaults()
        if commit and defaults:
            lock_user(self.instance.pk)
            others = Address.objects.filter(user=self.instance, is_default=True)
            others.exclude(pk=defaults[0].instance.pk).update(is_default=False)
        return super().save(commit)

    def _defaults(self) -> list[Any]:
        forms = [form for form in self.forms if form not in self.deleted_forms]
        return [form for form in forms if getattr(form, "cleaned_data", {}).get("is_default")]


class AddressInline(TabularInline):
    model = Address
    form = AddressForm
    formset = AddressFormSet
    extra = 0


@admin.register(User)
class UserAdmin(PhoneSearch, DjangoUserAdmin, ModelAdmin):
    """Accounts of staff, and what an account is known by or may do, are edited by superusers only.

    The right to change users is for the name, phone, language and status of customers: with an e-mail address or a
    password, its holder could become anybody else.
    """

    form = PersonForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    inlines = (AddressInline,)
    ordering = ("email",)
    list_display = ("email", "name", "phone", "role", "account_status", "is_staff")
    list_filter = ("role", "account_status", "is_staff")
    search_fields = ("email", "phone", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined", "updated_at")
    fieldsets = (
        (None, {"fields": ("email", "password", "email_confirmed_at")}),
        (
            _("Person"),
            {"fields": ("first_name", "last_name", "dob", "phone", "phone_confirmed_at", "language")},
        ),
        (_("Account"), {"fields": ("role", "account_status", "last_login", "date_joined", "updated_at")}),
        (_("Rights"), {"fields": ("is_staff", "is_superuser", "user_permissions")}),
    )
    fieldsets_of_customers = (
        (_("Person"), {"fields": ("email", "first_name", "last_name", "dob", "phone", "language")}),
        (
            _("Account"),
            {"fields": ("account_status", "email_confirmed_at", "role", "last_login", "date_joined")},
        ),
    )
    # The field of the password is disabled, and on no page of theirs.
    editable_by_staff = frozenset(
        {"first_name", "last_name", "dob", "phone", "language", "account_status", "password"}
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    filter_horizontal = ("user_permissions",)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user_permissions":
            kwargs["form_class"] = RightsField
            kwargs["queryset"] = Permission.objects.select_related("content_type")
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description=_("full name"))
    def name(self, user: User) -> str:
        return user.full_name

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and may_edit(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and may_edit(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None or request.user.is_superuser:
            return super().get_fieldsets(request, obj)
        return self.fieldsets_of_customers

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None or request.user.is_superuser:
            return self.readonly_fields
        return [name for name in flatten_fieldsets(self.fieldsets) if name not in self.editable_by_staff]

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:
        """Writes what was changed here and nothing else: rights or a password may have been changed meanwhile."""
        for reached in ("email", "phone"):  # that was another one
            if reached in form.changed_data and f"{reached}_confirmed_at" not in form.changed_data:
                setattr(obj, f"{reached}_confirmed_at", None)
                form.changed_data.append(f"{reached}_confirmed_at")
        columns = {field.name for field in obj._meta.concrete_fields}
        changed = [*columns.intersection(form.changed_data)]
        if changed:
            obj.updated_at = timezone.now()
            changed.append("updated_at")
        obj.save(update_fields=changed if change else None)
        if change and ENDS_SESSIONS.intersection(form.changed_data):
            end_all(obj, Session.EndedBecause.ACCOUNT)

    def save_related(self, request: HttpRequest, form: forms.ModelForm, formsets: Any, change: bool) -> None:
        before = _rights_of(form.instance)
        super().save_related(request, form, formsets, change)
        after = _rights_of(form.instance)
        if before != after:
            by = cast(User, request.user)
            form.instance.write_history(*_reasons("+", after - before), *_reasons("-", before - after), by=by)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        return super().user_change_password(request, id, form_url)


def _rights_of(user: User) -> set[str]:
    """Given one by one, without those of a role."""
    rights = user.user_permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{name}" for app, name in rights}


def _reasons(sign: str, rights: set[str]) -> list[str]:
    """Of the history: as many as it takes to name every right."""
    return wrap(
        ", ".join(sorted(rights)),
        LONGEST_REASON,
        initial_indent=f"rights: {sign} ",
        subsequent_indent=f"rights: {sign} ",
        break_on_hyphens=False,
    )


def may_edit(request: HttpRequest, user: User | None) -> bool:
    return user is None or cast(User, request.user).may_edit(user)


@admin.register(PanCard)
class PanCardAdmin(ReadOnly, LongList, ModelAdmin):
    """Masked, to be seen only: a number is verified beside the picture of its card, which no page shows yet."""

    list_display = ("user", "masked", "is_verified", "updated_at")
    list_filter = ("is_verified",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    fields = ("user", "masked", "is_verified", "updated_at")

    @admin.display(description=_("number"))
    def masked(self, card: PanCard) -> str:
        try:
            return mask(number_of(card))
        except KeyIsMissing:
            return gettext("cannot be read: a key is missing")


@admin.register(Session)
class SessionAdmin(ReadOnly, LongList, ModelAdmin):
    """Who is logged in to the API, from where; staff end a session when its owner asks for it."""

    list_display = (
        "user",
        "created_at",
        "last_used_at",
        "ended_at",
        "ended_because",
        "network",
        "user_agent",
    )
    list_filter = ("ended_because",)
    list_select_related = ("user",)
    search_fields = ("user__email",)
    exclude = ("refresh_digest", "previous_digest", "user_hash")
    actions = ("end_now",)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_session")

    @admin.action(description=_("End these sessions"), permissions=["end"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """Sessions of staff are ended by superusers only, as their accounts are edited."""
        theirs = [row.pk for row in queryset.select_related("user") if may_edit(request, row.user)]
        ended = end(queryset.filter(pk__in=theirs), Session.EndedBecause.STAFF)
        messages.info(request, _("{number} ended at once.").format(number=ended))


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"), choices=ApiKey.Scope.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        if (end := self.cleaned_data["expires_at"]) and end <= timezone.now():
            raise forms.ValidationError(_("This moment has passed."))
        return end


@admin.register(ApiKey)
class ApiKeyAdmin(LongList, ModelAdmin):
    """Keys of servers. A new one is shown once, on the page after it was made; only its hash is stored."""

    list_display = ("name", "prefix", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix")
    actions = ("revoke", "rotate")

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return ApiKeyForm if obj is None else super().get_form(request, obj, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ("name", "scopes", "expires_at")
        return ("name", "prefix", "scopes", "made_by", *self.list_display[3:])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.add_apikey")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: forms.ModelForm, change: bool) -> None:
        made, request.made_key = create_key(  # type: ignore[attr-defined]
            obj.name, obj.scopes, expires_at=obj.expires_at, made_by=cast(User, request.user)
        )
        obj.pk = made.pk

    def response_add(self, request: HttpRequest, obj: ApiKey, *args: Any, **kwargs: Any) -> HttpResponse:
        key = ApiKey.objects.get(pk=obj.pk)
        return shown_once(self, request, [(str(key), request.made_key)])  # type: ignore[attr-defined]

    @admin.action(description=_("Revoke these keys at once"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = sum(revoke_key(key, by=cast(User, request.user)) for key in queryset)
        messages.info(request, _("{number} revoked.").format(number=revoked))

    @admin.action(
        description=_("Rotate: make a new key, the old one ends in 24 hours"), permissions=["rotate"]
    )
    def rotate(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        now = timezone.now()
        good = [key for key in queryset if key.is_good(now)]
        if not good:
            messages.error(request, _("These keys are revoked or expired: make new ones."))
            return None
        new_keys = [rotate_key(key, by=cast(User, request.user)) for key in good]
        return shown_once(self, request, [(str(key), raw) for key, raw in new_keys])

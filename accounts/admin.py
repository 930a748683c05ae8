from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.forms.models import BaseInlineFormSet
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import Address, User
from accounts.search import PhoneSearch
from accounts.services import lock_user

admin.site.unregister(Group)
# Their pages show refresh tokens in full: whoever reads one is that person for a week.
admin.site.unregister([OutstandingToken, BlacklistedToken])


class PersonForm(UserChangeForm):
    """A number from before that cannot be read must not stop staff from suspending its owner."""

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | ({"phone"} - {*self.changed_data})


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
            raise forms.ValidationError("Only one address can be the default.")

    def save(self, commit: bool = True) -> Any:
        defaults = self._defaults()
        if commit and defaults:
            lock_user(self.instance.pk)
            others = Address.objects.filter(user=self.instance, is_default=True)
            others.exclude(pk=defaults[0].instance.pk).update(is_default=False)
        return super().save(commit)

    def _defaults(self) -> list[Any]:
        kept = [form for form in self.forms if form not in self.deleted_forms]
        return [form for form in kept if getattr(form, "cleaned_data", {}).get("is_default")]


class AddressInline(TabularInline):
    model = Address
    form = AddressForm
    formset = AddressFormSet
    extra = 0


@admin.register(User)
class UserAdmin(PhoneSearch, DjangoUserAdmin, ModelAdmin):
    form = PersonForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    inlines = (AddressInline,)
    ordering = ("email",)
    list_display = ("email", "full_name", "phone", "role", "account_status", "is_staff")
    list_filter = ("role", "account_status", "is_staff")
    search_fields = ("email", "phone", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password", "email_verified")}),
        ("Person", {"fields": ("first_name", "last_name", "phone", "language")}),
        ("Account", {"fields": ("role", "account_status", "last_login", "date_joined")}),
        ("Rights", {"fields": ("is_staff", "is_superuser", "user_permissions")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    filter_horizontal = ("user_permissions",)

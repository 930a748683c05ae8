from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts.models import Address, User
from accounts.search import PhoneSearch

admin.site.unregister(Group)
# Their pages show refresh tokens in full: whoever reads one is that person for a week.
admin.site.unregister([OutstandingToken, BlacklistedToken])


class PersonForm(UserChangeForm):
    """A number from before that cannot be read must not stop staff from suspending its owner."""

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() | ({"phone"} - {*self.changed_data})


class AddressInline(TabularInline):
    model = Address
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

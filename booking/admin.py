from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import NON_FIELD_ERRORS
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from accounts.search import PhoneSearch
from booking import services
from booking.devotees import DEVOTEE_FIELDS
from booking.models import (
    Booking,
    Cart,
    Checkout,
    Package,
    PromoCode,
    PujaCategory,
    PujaService,
    Slot,
    SlotHold,
)
from booking.services.carts import FURTHEST
from booking.services.prices import end_prices_in_force
from booking.services.promo_codes import find_unusable, with_use
from core.dates import spell_moment
from core.language import localized
from core.long_lists import LongList, SpanFilter
from core.money import in_rupees, paise, rupees
from core.read_only import ReadOnly

# A longer number is no id.
LONGEST_ID = 19


class RupeesField(forms.DecimalField):
    """Staff read and write rupees, the row keeps paise."""

    widget = UnfoldAdminDecimalFieldWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, max_digits=9, decimal_places=2, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return rupees(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        amount: Decimal | None = super().clean(value)
        return None if amount is None else paise(f"{amount:.2f}")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class PackageForm(forms.ModelForm):
    price_paise = RupeesField(
        label=_("Price (₹)"), help_text=_("from now on; later prices are planned in the catalogue")
    )

    class Meta:
        model = Package
        fields = "__all__"  # noqa: DJ007 - staff may edit the whole catalogue

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["price_paise"] = self.instance.price_now


class PromoCodeForm(forms.ModelForm):
    amount_paise = RupeesField(label=_("Amount (₹)"), required=False)
    min_order_paise = RupeesField(label=_("Least order (₹)"), initial=0)
    max_discount_paise = RupeesField(label=_("Most discount (₹)"), required=False)

    class Meta:
        model = PromoCode
        fields = "__all__"  # noqa: DJ007 - the counts are not editable

    def clean(self) -> dict[str, Any]:
        """An active code is one that somebody can use. What a constraint can say, the model says."""
        fields = super().clean() or {}
        if self.errors or not fields.get("is_active"):
            return fields
        people = fields["assigned_users"]
        if fields["code_type"] == PromoCode.CodeType.USER_SPECIFIC and not any(
            person.is_active for person in people
        ):
            self.add_error("assigned_users", _("Choose who may use this code: at least one active account."))
        names = ("discount_type", "percent", "amount_paise", "min_order_paise", "max_discount_paise")
        promo = PromoCode(**{name: fields[name] for name in (*names, "expires_at", "is_active")})
        if unusable := find_unusable(promo):
            column, sentence = unusable
            self.add_error(None if column == NON_FIELD_ERRORS else column, sentence)
        return fields


class SlotForm(forms.ModelForm):
    class Meta:
        model = Slot
        fields = "__all__"  # noqa: DJ007 - the counts are not editable

    def clean_starts_at(self) -> datetime:
        start: datetime = self.cleaned_data["starts_at"]
        if start < (earliest := timezone.localtime(services.earliest_start())):
            too_soon = _("Nobody could book this in time: choose one after {moment}.")
            raise forms.ValidationError(too_soon.format(moment=spell_moment(earliest)))
        if timezone.localtime(start).date() > timezone.localdate() + FURTHEST:
            raise forms.ValidationError(_("Bookings open one year ahead: choose an earlier time."))
        return start


def tell_what_is_missing(desk: ModelAdmin, request: HttpRequest, service: PujaService) -> None:
    """Catalogues are filled row by row, so this is no refusal."""
    if service.is_active and not service.packages.filter(is_active=True).exists():
        text = _("Nobody can book {puja} yet: it needs a package that is active.")
    elif not service.is_active and service.packages.filter(is_active=True).exists():
        text = _("Nobody can book {puja} now: the puja is not active.")
    else:
        return
    desk.message_user(request, text.format(puja=localized(service, "title")), messages.WARNING)


class ReadOnlyAdmin(ReadOnly, LongList, ModelAdmin):
    pass


class ForgivingChoice:
    """Draws a refused form again: Django's own widget looks what was posted up as an id, and fails."""

    def optgroups(self, name: str, value: Any, attr: Any = None) -> Any:
        ids = [each for each in value if str(each).isdecimal() and len(str(each)) < LONGEST_ID]
        return super().optgroups(name, ids, attr)  # type: ignore[misc]


class ForgivingSelect(ForgivingChoice, AutocompleteSelect):
    pass


class ForgivingSelectMultiple(ForgivingChoice, AutocompleteSelectMultiple):
    pass


class CatalogueAdmin(ModelAdmin):
    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = ForgivingSelect(db_field, self.admin_site, using=kwargs.get("using"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs["widget"] = ForgivingSelectMultiple(db_field, self.admin_site, using=kwargs.get("using"))
        return super().formfield_for_manytomany(db_field, request, **kwargs)


class CountingAdmin(CatalogueAdmin):
    """Rows that count what customers take: saving writes the whole row, so it is locked meanwhile."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        return self.model.objects.select_for_update().filter(pk=found.pk).first()


@admin.register(PujaCategory)
class PujaCategoryAdmin(ModelAdmin):
    list_display = ("name", "name_hi", "position")
    search_fields = ("name", "name_hi")
    compressed_fields = True
    warn_unsaved_form = True


@admin.register(PujaService)
class PujaServiceAdmin(ModelAdmin):
    list_display = ("title", "title_hi", "category", "type", "duration_minutes", "position", "is_active")
    list_filter = ("category", "type", "is_active")
    list_select_related = ("category",)
    search_fields = ("title", "title_hi")
    compressed_fields = True
    warn_unsaved_form = True
    fieldsets = (
        (_("On sale"), {"fields": ("category", "type", "duration_minutes", "position", "is_active", "sac")}),
        (_("English"), {"classes": ("tab",), "fields": ("title", "description", "preparation")}),
        (_("Hindi"), {"classes": ("tab",), "fields": ("title_hi", "description_hi", "preparation_hi")}),
        (_("Picture"), {"classes": ("tab",), "fields": ("image_url",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: PujaService | None = None) -> tuple[str, ...]:
        """The address of a picture that was uploaded is ours; another picture is chosen in the catalogue."""
        return ("image_url",) if obj is not None and obj.picture_id else ()

    def save_model(self, request: HttpRequest, obj: PujaService, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        tell_what_is_missing(self, request, obj)


@admin.register(Package)
class PackageAdmin(CatalogueAdmin):
    form = PackageForm
    list_display = ("puja_service", "package_type", "language", "location", "price", "is_active")
    list_filter = ("package_type", "language", "is_active")
    list_select_related = ("puja_service",)
    search_fields = ("puja_service__title", "location")
    autocomplete_fields = ("puja_service",)
    compressed_fields = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("puja_service", "package_type", "language", "price_paise", "priest_count")}),
        (None, {"fields": ("includes_materials", "position", "is_active")}),
        (_("English"), {"classes": ("tab",), "fields": ("location", "description")}),
        (_("Hindi"), {"classes": ("tab",), "fields": ("location_hi", "description_hi")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Package]:
        return super().get_queryset(request).priced()

    def save_model(self, request: HttpRequest, obj: Package, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "price_paise" in form.changed_data:
            end_prices_in_force(obj)
        tell_what_is_missing(self, request, obj.puja_service)

    @admin.display(ordering="current_paise", description=_("price (₹)"))
    def price(self, package: Package) -> str:
        return in_rupees(package.price_now)


@admin.register(Slot)
class SlotAdmin(LongList, CountingAdmin):
    form = SlotForm
    list_display = ("service", "starts_at", "capacity", "held", "booked", "available", "is_open")
    list_filter = ("is_open", "service", ("starts_at", SpanFilter))
    list_select_related = ("service",)
    autocomplete_fields = ("service",)
    readonly_fields = ("held", "booked")

    @admin.display(description=_("available"))
    def available(self, slot: Slot) -> int:
        return slot.available

    def get_readonly_fields(self, request: HttpRequest, obj: Slot | None = None) -> tuple[str, ...]:
        """A slot people may have paid for keeps its puja and its time: close it and open another one."""
        return (*self.readonly_fields, "service", "starts_at") if obj else self.readonly_fields

    def has_delete_permission(self, request: HttpRequest, obj: Slot | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.holds.exists())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, list[Any]]:
        """Without its last slot a puja would be sold at any time of the day."""
        rows, counts, not_allowed, protected = super().get_deleted_objects(objs, request)
        going = {slot.pk for slot in objs}
        for service in PujaService.objects.filter(slots__in=going).distinct():
            if not service.slots.exclude(pk__in=going).exists():
                last = _("The last slot of {puja}: close it instead, or make the puja inactive.")
                protected.append(last.format(puja=localized(service, "title")))
        return rows, counts, not_allowed, protected


@admin.register(PromoCode)
class PromoCodeAdmin(CountingAdmin):
    form = PromoCodeForm
    list_display = (
        "code",
        "code_type",
        "discount_type",
        "used_count",
        "reserved_count",
        "usage_limit",
        "is_active",
    )
    list_filter = ("code_type", "discount_type", "is_active")
    search_fields = ("code", "description")
    readonly_fields = ("reserved_count", "used_count", "given", "sold")
    autocomplete_fields = ("assigned_users",)
    compressed_fields = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("code", "description", "is_active")}),
        (
            _("Discount"),
            {
                "classes": ("tab",),
                "fields": ("discount_type", "percent", "amount_paise", "max_discount_paise"),
            },
        ),
        (
            _("Who and when"),
            {
                "classes": ("tab",),
                "fields": (
                    "code_type",
                    "assigned_users",
                    "min_order_paise",
                    "starts_at",
                    "expires_at",
                    "usage_limit",
                ),
            },
        ),
        (_("Use"), {"classes": ("tab",), "fields": ("used_count", "reserved_count", "given", "sold")}),
    )

    @admin.display(description=_("taken off (₹)"))
    def given(self, promo: PromoCode) -> str:
        return self._use(promo, "given_paise")

    @admin.display(description=_("paid with it (₹)"))
    def sold(self, promo: PromoCode) -> str:
        return self._use(promo, "sold_paise")

    def _use(self, promo: PromoCode, column: str) -> str:
        """Of bookings, cancelled ones included."""
        found = with_use(PromoCode.objects.filter(pk=promo.pk)).values_list(column, flat=True).first()
        return in_rupees(found or 0)


@admin.register(Cart)
class CartAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("id", "user", "puja_service", "selected_date", "selected_time", "status", "updated_at")
    list_filter = ("status",)
    list_select_related = ("user", "puja_service")
    search_fields = ("cart_id__exact", "user__email")


@admin.register(Checkout)
class CheckoutAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("id", "user", "cart", "state", "total", "promo_code", "promo_state", "expires_at")
    list_filter = ("state", "promo_state")
    list_select_related = ("user", "cart", "promo_code")
    search_fields = ("user__email", "cart__cart_id__exact")

    @admin.display(ordering="total_paise", description=_("total (₹)"))
    def total(self, checkout: Checkout) -> str:
        return in_rupees(checkout.total_paise)


@admin.register(SlotHold)
class SlotHoldAdmin(ReadOnlyAdmin):
    list_display = ("id", "slot", "checkout", "state", "expires_at", "new_customer")
    list_filter = ("state", "new_customer")
    list_select_related = ("slot__service", "checkout")


@admin.register(Booking)
class BookingAdmin(PhoneSearch, ReadOnlyAdmin):
    phone_fields = ("user__phone",)
    list_display = ("case", "puja", "customer", "starts_at", "status", "choose_until", "created_at", "id")
    list_display_links = ("id",)
    list_filter = ("status", ("starts_at", SpanFilter))
    list_select_related = ("user", "checkout")
    list_before_template = "backoffice/saved_filters.html"
    search_fields = ("book_id__startswith", "user__email", "user__phone")
    actions = ("mark_completed",)
    readonly_fields = DEVOTEE_FIELDS

    @admin.display(description=_("booking"), ordering="book_id")
    def case(self, booking: Booking) -> str:
        """The number leads to the page on which staff work with it, the id to the row."""
        return format_html(
            '<a class="desk-link" href="{}">{}</a>',
            reverse("desk:case", args=[booking.book_id]),
            booking.book_id,
        )

    @admin.display(description=_("puja"))
    def puja(self, booking: Booking) -> str:
        return localized(booking.checkout, "puja_title")

    @admin.display(description=_("customer"), ordering="user")
    def customer(self, booking: Booking) -> str:
        return booking.user.full_name or booking.user.email

    @admin.display(description=_("for whom"))
    def devotee_names(self, booking: Booking) -> str:
        return booking.checkout.devotee_names

    @admin.display(description=_("gotra"))
    def gotra(self, booking: Booking) -> str:
        return booking.checkout.gotra

    @admin.display(description=_("nakshatra"))
    def nakshatra(self, booking: Booking) -> str:
        return booking.checkout.nakshatra

    @admin.display(description=_("people"))
    def people(self, booking: Booking) -> int | None:
        return booking.checkout.people

    @admin.display(description=_("wishes"))
    def wishes(self, booking: Booking) -> str:
        return booking.checkout.wishes

    @admin.action(description=_("Mark as completed (once the puja has begun)"), permissions=["decide"])
    def mark_completed(self, request: HttpRequest, bookings: QuerySet[Booking]) -> None:
        moved = sum(services.complete(booking) for booking in bookings)
        left = len(bookings) - moved
        self.message_user(
            request,
            _("{moved} completed, {left} left as they were.").format(moved=moved, left=left),
            messages.SUCCESS,
        )

"""What staff write down when somebody books on the phone or at the counter."""

import uuid
from datetime import date, datetime, time
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Address, User
from accounts.phones import read_phone
from booking.models import Package, PujaService
from booking.services import earliest_start, free_slots
from booking.services.carts import FURTHEST
from core.dates import spell_moment
from core.gstin import read_gstin
from core.language import localized
from core.money import grouped
from core.texts import plain_line, plain_text
from payment.models import ManualEntry

MOST_TIMES = 60
LINK = "LINK"
MEANS = [
    (LINK, gettext_lazy("Send a link: they pay on PhonePe")),
    (ManualEntry.Means.CASH.value, gettext_lazy("I have the cash")),
    (ManualEntry.Means.TRANSFER.value, gettext_lazy("The bank transfer has arrived")),
]


def start_of_day(day: date | None) -> datetime:
    return timezone.make_aware(datetime.combine(day or timezone.localdate(), time.min))


class PackageField(forms.ModelChoiceField):
    def label_from_instance(self, package: Any) -> str:
        kind, language = package.get_package_type_display(), package.get_language_display()
        title, place = localized(package.puja_service, "title"), localized(package, "location")
        return f"{title}: {kind}, {language}, {place}, ₹{grouped(package.price_paise)}"


def known_customer(email: str) -> dict[str, str]:
    """Their name, and their default address or the newest one, as fields of `BookingForm`; they may have moved."""
    person = User.objects.filter(email=email.lower()).first()
    if person is None or not person.is_customer:
        return {}
    found = Address.objects.filter(user=person).order_by("-is_default", "-pk").first()
    if found is None:
        return {"name": person.full_name}
    line = ", ".join(filter(None, (found.address_line1, found.address_line2)))
    address = {"city": found.city, "state": found.state, "postal_code": found.postal_code}
    return {"name": person.full_name, "line1": line[:255], **address}


class PersonForm(forms.Form):
    """Who it is for, and what. A known phone needs no mail address."""

    phone = forms.CharField(
        label=gettext_lazy("Phone"), max_length=30, widget=forms.TextInput(attrs={"type": "tel"})
    )
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, required=False, validators=[plain_line]
    )
    email = forms.EmailField(
        label=gettext_lazy("Mail address"),
        required=False,
        help_text=gettext_lazy(
            "For the confirmation and the receipt. Not needed when one account has this phone."
        ),
    )
    package = PackageField(
        Package.objects.filter(is_active=True, puja_service__is_active=True)
        .select_related("puja_service")
        .order_by("puja_service__title", "price_paise", "pk"),
        label=gettext_lazy("Puja and package"),
        widget=forms.Select,
    )
    day = forms.DateField(
        label=gettext_lazy("Not before"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("Free times are shown from this day on. Empty: from now on."),
    )
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean_day(self) -> date | None:
        day: date | None = self.cleaned_data["day"]
        if day and day > timezone.localdate() + FURTHEST:
            raise ValidationError(_("Choose a day from today on, within a year."))
        return max(day, timezone.localdate()) if day else None

    def clean_phone(self) -> str:
        phone = read_phone(self.cleaned_data["phone"])
        if phone is None:
            raise ValidationError(_("This is no phone number."))
        return phone

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if fields.get("phone") and not fields.get("email"):
            known = User.objects.filter(phone=fields["phone"]).order_by("pk")[:20]
            emails = [person.email for person in known if person.is_customer]
            if len(emails) != 1:
                raise ValidationError(
                    {"email": _("Give the mail address: no account, or more than one, has this phone.")}
                )
            fields["email"] = emails[0]
        return fields


class BookingForm(PersonForm):
    """The rest: when, where, for whom, and how it is paid."""

    start = forms.ChoiceField(label=gettext_lazy("Time"), widget=forms.RadioSelect, required=False)
    at = forms.DateTimeField(
        label=gettext_lazy("Time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
    )
    line1 = forms.CharField(
        label=gettext_lazy("Address"), max_length=255, required=False, validators=[plain_line]
    )
    city = forms.CharField(
        label=gettext_lazy("City"), max_length=100, required=False, validators=[plain_line]
    )
    state = forms.CharField(
        label=gettext_lazy("State"), max_length=100, required=False, validators=[plain_line]
    )
    postal_code = forms.CharField(
        label=gettext_lazy("PIN code"), max_length=12, required=False, validators=[plain_line]
    )
    devotee_names = forms.CharField(
        label=gettext_lazy("For whom (names)"),
        max_length=500,
        required=False,
        validators=[plain_text],
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    promo_code = forms.CharField(
        label=gettext_lazy("Promo code"), max_length=30, required=False, validators=[plain_line]
    )
    gstin = forms.CharField(label=gettext_lazy("GSTIN of the buyer"), max_length=20, required=False)
    means = forms.ChoiceField(
        label=gettext_lazy("How it is paid"), choices=MEANS, initial=LINK, widget=forms.RadioSelect
    )
    reference = forms.CharField(
        label=gettext_lazy("Number of the slip, or bank reference (UTR)"),
        max_length=64,
        required=False,
        validators=[plain_line],
    )

    def __init__(
        self, package: Package, *args: Any, not_before: date | None, may_take_money: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        service = package.puja_service
        for name in ("phone", "name", "email", "package", "day"):
            self.fields[name].widget = forms.HiddenInput()
        if service.slots.exists():
            slots = free_slots(service.pk, max(earliest_start(), start_of_day(not_before)))[:MOST_TIMES]
            times = [
                (timezone.localtime(each.starts_at).isoformat(), spell_moment(each.starts_at))
                for each in slots
            ]
            cast(forms.ChoiceField, self.fields["start"]).choices = times
            del self.fields["at"]
        else:
            del self.fields["start"]
        if service.type != PujaService.Type.HOME:
            for name in ("line1", "city", "state", "postal_code"):
                del self.fields[name]
        if not may_take_money:
            cast(forms.ChoiceField, self.fields["means"]).choices = MEANS[:1]
            del self.fields["reference"]

    def clean_gstin(self) -> str:
        return read_gstin(self.cleaned_data["gstin"])

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        name = "start" if "start" in self.fields else "at"
        if name not in self.errors and not fields.get(name):
            raise ValidationError({name: _("Choose a time.")})
        address = [fields.get(name) for name in ("line1", "city", "state", "postal_code")]
        if "line1" in self.fields and not all(address):
            raise ValidationError({"line1": _("Where does the puja take place? Give all of the address.")})
        return fields

    def choice(self) -> dict[str, Any]:
        """As `fill_cart` takes it."""
        fields = self.cleaned_data
        starts_at = fields.get("at") or datetime.fromisoformat(fields["start"])
        start, package = timezone.localtime(starts_at), fields["package"]
        return {
            "puja_service": package.puja_service_id,
            "package_id": package.pk,
            "selected_date": start.date(),
            "selected_time": start.time(),
            "promo_code": fields["promo_code"] or None,
            "devotee_names": fields["devotee_names"],
        }

    def address(self) -> dict[str, Any] | None:
        fields = self.cleaned_data
        if not fields.get("line1"):
            return None
        return {
            "address_line1": fields["line1"],
            "city": fields["city"],
            "state": fields["state"],
            "postal_code": fields["postal_code"],
            "country": "India",
        }


class HandedOverForm(forms.Form):
    """A refund that somebody has just given back."""

    refund = forms.IntegerField(widget=forms.HiddenInput)
    means = forms.ChoiceField(label=gettext_lazy("How"), choices=MEANS[1:])
    reference = forms.CharField(
        label=gettext_lazy("Slip or bank reference"), max_length=64, required=False, validators=[plain_line]
    )
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class TakenForm(forms.Form):
    """The money of a link, in the hands of staff."""

    means = forms.ChoiceField(label=gettext_lazy("How"), choices=MEANS[1:], widget=forms.RadioSelect)
    reference = forms.CharField(
        label=gettext_lazy("Slip or bank reference"), max_length=64, required=False, validators=[plain_line]
    )
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class CountForm(forms.Form):
    """Cash of a person as it was counted, beside the sum that the page showed."""

    person = forms.IntegerField(widget=forms.HiddenInput)
    shown = forms.IntegerField(widget=forms.HiddenInput)
    counted = forms.DecimalField(
        label=gettext_lazy("Counted (₹)"), min_value=0, max_digits=11, decimal_places=2
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason of a difference"), max_length=200, required=False, validators=[plain_line]
    )

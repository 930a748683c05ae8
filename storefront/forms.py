"""What customers type. The rules of texts, phones and addresses are those of the API."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Address, User, normalize_postal_code
from accounts.pan_cards import read_number
from accounts.phones import UNREADABLE, format_phone, is_blank, read_phone
from booking.devotees import DEVOTEE_FIELDS
from booking.filters import LARGEST_ID
from booking.models import Cart
from core.errors import InvalidField
from core.texts import plain_line, visible_line
from storefront.templatetags.shop import rupees

INDIA = Address._meta.get_field("country").default


class ChoiceForm(forms.Form):
    """A package at a time, as links carry it."""

    package = forms.IntegerField(min_value=1, max_value=LARGEST_ID)
    date = forms.DateField(input_formats=["%Y-%m-%d"])
    time = forms.TimeField(input_formats=["%H:%M"])


class TimesForm(forms.Form):
    """Which month and day of the calendar are shown, and for which package."""

    package = forms.IntegerField(min_value=1, max_value=LARGEST_ID)
    month = forms.DateField(input_formats=["%Y-%m"], required=False)
    day = forms.DateField(input_formats=["%Y-%m-%d"], required=False)


class WaitForm(forms.Form):
    """A full time and a package to wait for, or an entry of the waiting list."""

    slot = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    package = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)
    entry = forms.IntegerField(min_value=1, max_value=LARGEST_ID, required=False)


class ContactForm(forms.Form):
    """Of somebody who is not signed in."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=100,
        validators=[plain_line],
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        validators=[visible_line],
        widget=forms.EmailInput({"autocomplete": "email"}),
        help_text=_("Your receipt and all news about your booking go there."),
    )
    phone = forms.CharField(
        label=_("Mobile phone"),
        max_length=40,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
        help_text=_("The priest calls you on it if anything is unclear."),
    )

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean_phone(self) -> str:
        if is_blank(self.cleaned_data["phone"]) or (phone := read_phone(self.cleaned_data["phone"])) is None:
            raise ValidationError(UNREADABLE)
        return phone


class PersonForm(ContactForm):
    """Of somebody who is signed in: what the priest has to know of them. What they change here is changed for good."""

    email = None  # type: ignore[assignment]

    def __init__(self, person: User, data: Any) -> None:
        super().__init__(data, initial={"phone": format_phone(person.phone)})
        self.fields["phone"].required = not person.phone
        if person.first_name:
            del self.fields["name"]

    def clean_phone(self) -> str:
        return super().clean_phone() if self.cleaned_data["phone"] else ""


class DevoteeForm(forms.ModelForm):
    """For whom the puja is performed. The priest reads it out; all of it may stay empty."""

    class Meta:
        model = Cart
        fields = DEVOTEE_FIELDS
        labels = {
            "devotee_names": _("Names of those for whom the puja is performed"),
            "gotra": _("Gotra"),
            "nakshatra": _("Nakshatra"),
            "people": _("How many people come?"),
            "wishes": _("Wishes for the puja"),
        }
        help_texts = {"devotee_names": "", "people": "", "wishes": _("The priest reads it before the puja.")}
        widgets = {
            "devotee_names": forms.Textarea({"rows": 2}),
            "people": forms.NumberInput({"inputmode": "numeric"}),
            "wishes": forms.Textarea({"rows": 2}),
        }


class AddressForm(forms.ModelForm):
    """Where the puja takes place, in India."""

    prefix = "address"

    class Meta:
        model = Address
        fields = ("address_line1", "address_line2", "city", "state", "postal_code")
        labels = {
            "address_line1": _("House and street"),
            "address_line2": _("Area, landmark"),
            "city": _("City or village"),
            "state": _("State"),
            "postal_code": _("PIN code"),
        }
        widgets = {
            "address_line1": forms.TextInput({"autocomplete": "address-line1"}),
            "address_line2": forms.TextInput({"autocomplete": "address-line2"}),
            "city": forms.TextInput({"autocomplete": "address-level2"}),
            "state": forms.TextInput({"autocomplete": "address-level1"}),
            "postal_code": forms.TextInput({"autocomplete": "postal-code", "inputmode": "numeric"}),
        }

    def clean_postal_code(self) -> str:
        return normalize_postal_code(self.cleaned_data["postal_code"], INDIA)


class AddressChoiceForm(forms.Form):
    """One of the addresses of somebody who is signed in, or a new one."""

    NEW = "new"
    address = forms.ChoiceField(label=_("Address"), widget=forms.RadioSelect)

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(str(each.pk), str(each)) for each in Address.objects.filter(user=person)]
        field = self.fields["address"]
        field.choices = [*known, (self.NEW, _("Another address"))]  # type: ignore[attr-defined]
        field.initial = field.choices[0][0]  # type: ignore[attr-defined]
        self.has_known = bool(known)


class LoginForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        validators=[visible_line],
        widget=forms.EmailInput({"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        required=False,
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class DonationForm(forms.Form):
    """What is given, by whom, and for what. The rules are those of donations by the API."""

    OTHER = "other"
    amount = forms.ChoiceField(
        label=_("Amount"), required=False, widget=forms.RadioSelect({"autocomplete": "off"})
    )
    other = forms.CharField(
        label=_("Another amount, in rupees"),
        max_length=16,
        required=False,
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "transaction-amount"}),
    )
    purpose = forms.ChoiceField(label=_("Purpose"))
    name = forms.CharField(
        label=_("Your name"),
        max_length=64,
        validators=[plain_line],
        widget=forms.TextInput({"autocomplete": "name"}),
        help_text=_("As it should stand on the receipt."),
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        validators=[visible_line],
        widget=forms.EmailInput({"autocomplete": "email"}),
        help_text=_("Your receipt goes there."),
    )
    pan = forms.CharField(
        label=_("PAN"),
        max_length=20,
        required=False,
        widget=forms.TextInput(
            {"autocapitalize": "characters", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text=_("Only for a receipt that the tax office accepts (section 80G). We keep it encrypted."),
    )

    address = forms.CharField(
        label=_("Postal address"),
        max_length=200,
        required=False,
        validators=[plain_line],
        widget=forms.TextInput({"autocomplete": "street-address"}),
        help_text=_("Only together with a PAN: the tax office asks us for both."),
    )

    def __init__(self, person: User | None, language: str, data: Any = None) -> None:
        super().__init__(data, initial={"name": person.full_name if person else ""})
        amounts = [(str(each), rupees(each * 100)) for each in settings.DONATION_AMOUNTS]
        if amounts:
            other = [(self.OTHER, _("Another amount"))]
            self.fields["amount"].choices = amounts + other  # type: ignore[attr-defined]
        else:
            del self.fields["amount"]
        names = [
            hindi if language == "hi" and hindi else english for english, hindi in settings.DONATION_PURPOSES
        ]
        if names:
            self.fields["purpose"].choices = list(enumerate(names))  # type: ignore[attr-defined]
        else:
            del self.fields["purpose"]
        if person:
            del self.fields["email"]
        if not settings.DONATION_80G:
            del self.fields["pan"], self.fields["address"]

    def clean_other(self) -> int | None:
        """Rupees, as people write them: "1,100", "₹ 500", also in Devanagari digits."""
        typed = "".join(each for each in self.cleaned_data["other"] if each not in ", ₹")
        if not typed:
            return None
        if not typed.isdecimal() or int(typed) < 1:
            raise ValidationError(_("Please write whole rupees, such as 501."))
        if int(typed) > settings.PAYMENT_GUEST_MAX_RUPEES:
            raise ValidationError(
                format_lazy(_("At most ₹{most} at once."), most=settings.PAYMENT_GUEST_MAX_RUPEES)
            )
        return int(typed)

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean_pan(self) -> str:
        if not self.cleaned_data["pan"].strip():
            return ""
        try:
            return read_number(self.cleaned_data["pan"])
        except InvalidField as error:
            raise ValidationError(error.detail["pan_number"]) from error  # type: ignore[call-overload]

    def clean(self) -> dict[str, Any]:
        """One amount: of two, nobody knows which one was meant. An address with a PAN, and only then."""
        fields = self.cleaned_data
        if not fields.get("pan"):
            fields["address"] = ""
        elif not fields.get("address") and "address" not in self.errors:
            self.add_error("address", _("Please write your address: the tax office wants it with the PAN."))
        chosen, typed = fields.get("amount", ""), fields.get("other")
        if "other" not in self.errors and "amount" not in self.errors:
            if chosen not in ("", self.OTHER) and typed:
                self.add_error("other", _("You have chosen an amount above. Please keep one of the two."))
            elif chosen in ("", self.OTHER) and not typed:
                self.add_error("other", _("Please choose or write an amount."))
            else:
                fields["rupees"] = typed or int(chosen)
        return fields


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=12,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class PromoForm(forms.Form):
    promo_code = forms.CharField(
        label=_("Promo code"),
        max_length=30,
        validators=[visible_line],
        widget=forms.TextInput({"autocapitalize": "characters", "autocomplete": "off"}),
    )

"""Fields that several pages of the desk ask for."""

from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from booking.devotees import DEVOTEE_FIELDS
from booking.models import Checkout
from booking.services.carts import FURTHEST
from core.language import localized
from core.money import paise
from core.texts import plain_line, plain_text

LONGEST_REASON = 150  # what fits into a line of the timeline beside who decided


class RupeesField(forms.DecimalField):
    """Staff write rupees; `clean` gives paise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_digits=11, decimal_places=2, **kwargs)

    def clean(self, value: Any) -> int | None:
        amount = super().clean(value)
        return None if amount is None else paise(f"{amount:.2f}")


class PujaField(forms.ModelChoiceField):
    """One puja, by its title in the language of the reader."""

    def label_from_instance(self, service: Any) -> str:
        return localized(service, "title")


class PujasField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, service: Any) -> str:
        return localized(service, "title")


def reason_field() -> forms.CharField:
    """Why staff do it; the log keeps it."""
    return forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        validators=[plain_line],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class ReasonForm(forms.Form):
    reason = reason_field()
    seen = forms.CharField(max_length=64, widget=forms.HiddenInput)


class ToldReasonForm(ReasonForm):
    tell = forms.BooleanField(label=_("The customer reads the reason"), required=False)


class RefundForm(forms.Form):
    amount = RupeesField(label=_("Amount (₹)"), required=False)


class CancelForm(forms.Form):
    class Back:
        POLICY, ALL, OTHER = "policy", "all", "other"

    back = forms.ChoiceField(choices=[(each, each) for each in ("policy", "all", "other")], required=False)
    amount = RupeesField(label=_("Another sum (₹)"), required=False)

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        if fields.get("back") == "other" and not self.errors and fields.get("amount") is None:
            self.add_error("amount", _("Enter the sum."))
        return fields


class MoveForm(forms.Form):
    """`who`: asked for it. A slot, or a start where the puja has no slots. `day`: from which free times are shown."""

    who = forms.ChoiceField(choices=[("temple", "temple"), ("customer", "customer")], required=False)
    slot = forms.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    day = forms.DateField(
        label=_("Free times from"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    starts_at = forms.DateTimeField(
        label=_("New time"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def clean_day(self) -> date | None:
        day: date | None = self.cleaned_data["day"]
        if day and not timezone.localdate() <= day <= timezone.localdate() + FURTHEST:
            raise forms.ValidationError(gettext("Choose a day from today on, within a year."))
        return day


class DetailsForm(forms.ModelForm):
    """For whom the puja is performed. `seen`: the details when the page was shown, signed."""

    reason = reason_field()
    seen = forms.CharField(widget=forms.HiddenInput)

    class Meta:
        model = Checkout
        fields = DEVOTEE_FIELDS
        labels = {
            "devotee_names": _("Devotees"),
            "gotra": _("Gotra"),
            "nakshatra": _("Nakshatra"),
            "people": _("People"),
            "wishes": _("Wishes"),
        }
        help_texts = {"people": ""}
        widgets = {
            "devotee_names": forms.Textarea(attrs={"rows": 2}),
            "wishes": forms.Textarea(attrs={"rows": 2}),
        }

    def details(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in DEVOTEE_FIELDS}


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("Note"), max_length=1_000, validators=[plain_text], widget=forms.Textarea(attrs={"rows": 2})
    )
    form = forms.UUIDField(widget=forms.HiddenInput)

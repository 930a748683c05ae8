"""Forms of the pages about the catalogue."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from backoffice.forms import RupeesField
from booking.fields import PositionInput
from booking.models.catalogue import LEAST_PAISE

MOST_RUPEES = 9_999_999


class PictureForm(forms.Form):
    picture = forms.FileField(
        label=_("Picture"),
        max_length=255,
        help_text=_("JPEG, PNG, WEBP or GIF, 5 MB at most. It is drawn anew, 1,200 points wide."),
        widget=forms.FileInput(attrs={"accept": "image/*"}),
    )


class PositionForm(forms.Form):
    position = PositionInput(
        label=_("Place in the list"),
        required=False,
        min_value=0,
        max_value=32_767,
        help_text=_("The smaller, the further in front; equal ones by name."),
    )


class PriceForm(forms.Form):
    price = RupeesField(label=_("Price (₹)"), max_value=MOST_RUPEES)
    valid_from = forms.DateTimeField(
        label=_("From"),
        required=False,
        help_text=_("Empty: from now on."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
    )

    def clean_price(self) -> int:
        paise: int = self.cleaned_data["price"]
        if paise < LEAST_PAISE:
            raise forms.ValidationError(_("A package costs at least ₹1.00."))
        return paise

    def clean_valid_from(self) -> datetime | None:
        moment: Any = self.cleaned_data["valid_from"]
        if moment is not None and moment <= timezone.now():
            raise forms.ValidationError(_("Choose a moment to come, or leave it empty."))
        return moment

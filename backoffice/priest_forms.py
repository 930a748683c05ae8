"""Forms of the pages about priests."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from backoffice.forms import PujasField
from backoffice.rights import PRIEST
from backoffice.slot_forms import DATE_WIDGET, TIME_WIDGET, weekdays
from booking.models import Package, Priest, PriestHours, PriestLanguage, PujaService
from core.texts import plain_line

MOST_LEAVE = timedelta(days=366)


class PriestForm(forms.ModelForm):
    """With languages and free hours, which are rows of their own. `form`: the same one twice is one priest."""

    services = PujasField(
        PujaService.objects.order_by("title"),
        label=_("Pujas that they perform"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    languages = forms.MultipleChoiceField(
        label=_("Languages of their pujas"),
        choices=Package.Language.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    days = forms.TypedMultipleChoiceField(
        label=_("Weekdays on which they are free"),
        choices=weekdays,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: every day."),
    )
    free_from = forms.TimeField(label=_("Free from"), required=False, widget=TIME_WIDGET)
    free_until = forms.TimeField(label=_("Free until"), required=False, widget=TIME_WIDGET)
    form = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4, required=False)
    login = forms.EmailField(
        label=_("E-mail address of their login to the desk"),
        required=False,
        help_text=_("An account of staff in the group Priest. They see their own days there."),
    )

    class Meta:
        model = Priest
        fields = ("name", "name_hi", "email", "phone", "language", "is_active")
        labels = {
            "name": _("Name"),
            "name_hi": _("Name in Hindi"),
            "email": _("E-mail address for new and changed bookings"),
            "phone": _("Phone"),
            "language": _("Language of their mails"),
            "is_active": _("Works here"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name_hi"].help_text = ""
        self.fields["email"].help_text = _("New, moved and cancelled bookings are told here.")
        instance: Priest = self.instance
        if instance.pk is None:
            return
        spans = list(instance.hours.all())
        self.initial = {
            **self.initial,
            "services": [each.pk for each in instance.services.all()],
            "languages": [each.language for each in instance.languages.all()],
            "days": sorted({span.weekday for span in spans}),
            "free_from": spans[0].begins if spans else None,
            "free_until": spans[0].ends if spans else None,
            "login": instance.user.email if instance.user else "",
        }

    def clean_login(self) -> User | None:
        email = self.cleaned_data["login"]
        if not email:
            return None
        account = User.objects.filter(email=email.lower(), is_staff=True).first()
        if account is None or not account.groups.filter(name=PRIEST).exists():
            raise ValidationError(_("No account of staff in the group Priest has this address."))
        there = Priest.objects.filter(user=account).exclude(pk=self.instance.pk).first()
        if there is not None and (there.form is None or there.form != self.cleaned_data.get("form")):
            raise ValidationError(_("This login belongs to another priest."))
        return account

    def clean(self) -> dict[str, Any]:
        chosen = super().clean() or self.cleaned_data
        since, until = chosen.get("free_from"), chosen.get("free_until")
        if (since is None) is not (until is None):
            self.add_error("free_until", _("Give both times, or none."))
        elif since is not None and until is not None and until <= since:
            self.add_error("free_until", _("The hours must end after they begin."))
        return chosen

    def store(self) -> Priest:
        """Two clicks at once: the unique `form` has decided. A page of an older release sends none."""
        form = self.cleaned_data["form"]
        same_form = Priest.objects.filter(form=form) if form else Priest.objects.none()
        if self.instance.pk is None and (there := same_form.first()):
            return there
        try:
            return self._store()
        except IntegrityError:
            if there := same_form.first():
                return there
            raise

    @transaction.atomic
    def _store(self) -> Priest:
        if self.instance.pk is None:
            self.instance.form = self.cleaned_data["form"]
        self.instance.user = self.cleaned_data["login"]
        priest = self.save()
        priest.services.set(self.cleaned_data["services"])
        priest.languages.all().delete()
        PriestLanguage.objects.bulk_create(
            PriestLanguage(priest=priest, language=each) for each in self.cleaned_data["languages"]
        )
        priest.hours.all().delete()
        days, since = self.cleaned_data["days"], self.cleaned_data["free_from"]
        if days or since:
            begins, ends = since or time(0), self.cleaned_data["free_until"] or time(23, 59)
            PriestHours.objects.bulk_create(
                PriestHours(priest=priest, weekday=day, begins=begins, ends=ends)
                for day in days or range(1, 8)
            )
        return priest


class LeaveForm(forms.Form):
    first = forms.DateField(label=_("From"), widget=DATE_WIDGET)
    last = forms.DateField(label=_("To, this day included"), widget=DATE_WIDGET)
    reason = forms.CharField(label=_("Reason"), required=False, max_length=200, validators=[plain_line])

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last:
            if last < first:
                self.add_error("last", _("The last day comes before the first one."))
            elif last < timezone.localdate():
                self.add_error("last", _("This date has passed."))
            elif last - first > MOST_LEAVE or last > timezone.localdate() + 2 * MOST_LEAVE:
                self.add_error("last", _("At most a year at once, and two years ahead."))
        return self.cleaned_data

    def span(self) -> tuple[datetime, datetime]:
        first, last = self.cleaned_data["first"], self.cleaned_data["last"] + timedelta(days=1)
        begins, ends = (timezone.make_aware(datetime.combine(day, time.min)) for day in (first, last))
        return begins, ends


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=150, validators=[plain_line])

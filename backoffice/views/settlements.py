"""PhonePe's settlement files: handed in, compared with our rows, and what can be mended for certain by one click."""

from dataclasses import replace
from datetime import timedelta
from typing import cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from backoffice import rights
from backoffice.pages import desk_page, sentence_of, show
from core.dates import spell_date
from core.errors import Conflict
from payment.models import SettlementFile
from payment.reconciliation.discrepancies import Discrepancy, Fix
from payment.reconciliation.settlement import NotASettlement
from payment.reconciliation.settlement_files import LARGEST_FILE, compare_file, keep_file, key_of, mend

MOST_SHOWN = 200


class FileForm(forms.Form):
    day = forms.DateField(
        label=gettext_lazy("Day of the orders"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    file = forms.FileField(label=gettext_lazy("Settlement report (CSV)"))


@desk_page(rights.COMPARE_SETTLEMENTS)
def settlements(request: HttpRequest) -> HttpResponse:
    yesterday = timezone.localdate() - timedelta(days=1)
    form = FileForm(request.POST or None, request.FILES or None, initial={"day": yesterday})
    if request.method == "POST" and form.is_valid():
        upload = form.cleaned_data["file"]
        if upload.size > LARGEST_FILE:
            form.add_error("file", _("The file is larger than 20 MB: use the command `reconcile`."))
        else:
            try:
                file, is_new = keep_file(
                    upload.name, upload.read(), form.cleaned_data["day"], cast(User, request.user)
                )
            except NotASettlement as error:
                form.add_error("file", str(error))
            else:
                if not is_new:
                    messages.info(
                        request, _("This file has been handed in before: nothing of it is entered twice.")
                    )
                return redirect("desk:settlement", file.pk)
    files = SettlementFile.objects.select_related("uploaded_by").defer("content")[:50]
    return show(request, "backoffice/settlements.html", _("Settlements"), form=form, files=files)


@desk_page(rights.COMPARE_SETTLEMENTS)
def settlement(request: HttpRequest, pk: int) -> HttpResponse:
    """The comparison as it is now; POST mends the difference that `mend` names."""
    file = get_object_or_404(SettlementFile, pk=pk)
    if request.method == "POST":
        try:
            is_mended = mend(file, request.POST.get("mend", "")).mended
            text = (
                _("Done.") if is_mended else _("Tried, and it is still there: see what the difference says.")
            )
            messages.success(request, text)
        except Conflict as refusal:
            messages.warning(request, sentence_of(refusal))
        return redirect("desk:settlement", file.pk)
    found, differences = compare_file(file)
    differences = sorted(differences, key=lambda each: not each.repair)  # what a click mends comes first
    return show(
        request,
        "backoffice/settlement.html",
        f"{file.name}, {spell_date(file.day)}",
        file=file,
        found=found,
        bad_rows=found.bad_rows[:MOST_SHOWN],
        differences=[
            (*_in_words(each), key_of(each) if each.repair else "") for each in differences[:MOST_SHOWN]
        ],
        count=len(differences),
        trail=[(_("Settlements"), reverse("desk:settlements"))],
    )


def _in_words(each: Discrepancy) -> tuple[Discrepancy, str, str]:
    """Without `repair`: a template calls what can be called, and would mend what it only shows."""
    kind, fix = translation.gettext(each.kind), translation.gettext(_as_sentence(each.fix))
    return replace(each, repair=None), kind, fix


def _as_sentence(fix: Fix) -> str:
    """The command `reconcile` needs --fix for what a button does here; see backoffice/choice_names.py."""
    text = fix.removeprefix("With --fix ")
    return text[0].upper() + text[1:]

"""The waiting list: for a full time, and what a person waits for."""

from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled

from accounts import codes
from accounts.models import OneTimeCode
from booking.models import Package, Slot, WaitingEntry
from booking.services.waiting_list import OPEN, NoSuchPlace, OfferOver, join, leave
from core.errors import Refusal
from core.networks import client_network
from payment.views.pages import SeeOther
from storefront.forms import WaitForm
from storefront.sessions import CODE_EMAIL, NEXT
from storefront.views.booking import link_to
from storefront.views.page import CustomerPage, address_with


class WaitingPage(CustomerPage):
    """With `slot` and `package`: asks whether to wait for that time."""

    template: ClassVar[str] = "storefront/waiting.html"
    parameters = ("slot", "package")

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(**self._facts())

    def post(self, request: HttpRequest) -> HttpResponse:
        """`do` is the button that was pressed."""
        actions = {"join": self._join, "leave": self._leave, "book": self._book, "confirm": self._confirm}
        action = actions.get(request.POST.get("do", ""))
        if action is None:
            raise Http404
        try:
            return action()
        except (Refusal, Throttled) as refusal:
            return self.refuse(refusal, **self._facts())

    def _join(self) -> HttpResponse:
        form = WaitForm(self.request.POST)
        form.is_valid()
        fields = form.cleaned_data
        network = client_network(self.request)
        join(self.person, fields.get("slot") or 0, fields.get("package") or 0, network)
        messages.success(self.request, _("You are on the list. We write to you when a place is free."))
        return SeeOther(self.request.path)

    def _confirm(self) -> HttpResponse:
        """The code to sign in shows that the address reaches them, and leads back to what they wanted to wait for."""
        self.count("code")
        form = WaitForm(self.request.POST)
        form.is_valid()
        query = {name: form.cleaned_data.get(name) for name in self.parameters}
        if not all(query.values()):
            raise NoSuchPlace
        codes.request(self.person.email, OneTimeCode.Purpose.LOGIN, self.address)
        session = self.request.session
        session[CODE_EMAIL], session[NEXT] = self.person.email, address_with(self.request.path, query)
        return SeeOther(reverse("shop-code"))

    def _leave(self) -> HttpResponse:
        leave(self._entry())
        return SeeOther(self.request.path)

    def _book(self) -> HttpResponse:
        """To the details, as from the calendar: the priest has to know for whom it is, and where. The place is kept."""
        entry = self._entry()
        if entry.state != WaitingEntry.State.OFFERED:
            raise OfferOver
        start = timezone.localtime(entry.slot.starts_at)
        choice = {"package": entry.package, "date": start.date(), "time": start.time()}
        return SeeOther(address_with(reverse("shop-details"), link_to(choice)))

    def _entry(self) -> WaitingEntry:
        """Of this person alone. Raises Http404."""
        form = WaitForm(self.request.POST)
        form.is_valid()
        return get_object_or_404(self._entries(), pk=form.cleaned_data.get("entry") or 0)

    def _entries(self) -> QuerySet[WaitingEntry]:
        return WaitingEntry.objects.select_related("slot__service", "package").filter(
            user=self.person, state__in=OPEN
        )

    def _facts(self) -> dict[str, Any]:
        form = WaitForm(self.request.GET or self.request.POST)
        fields = form.cleaned_data if form.is_valid() else {}
        slots, packages = Slot.objects.select_related("service"), Package.objects.filter(is_active=True)
        return {
            "slot": slots.filter(pk=fields.get("slot") or 0, service__is_active=True).first(),
            "package": packages.filter(pk=fields.get("package") or 0).first(),
            "entries": self._entries(),
            "is_confirmed": self.person.email_confirmed_at is not None,
        }

"""One person: how to reach them, what they have booked and paid."""

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from backoffice import rights
from backoffice.agenda import lines_of
from backoffice.pages import desk_page, may, show
from booking.models import Booking
from payment.models import Payment

NEWEST = 20


@desk_page(rights.SEE_PEOPLE)
def person(request: HttpRequest, pk: int) -> HttpResponse:
    person = get_object_or_404(User, pk=pk)
    bookings = Booking.objects.filter(user=person).order_by("-starts_at", "-id")[:NEWEST]
    booked = Booking.objects.filter(checkout=OuterRef("checkout"))
    sees_money = may(request, rights.SEE_PAYMENTS)
    unbooked = Payment.objects.filter(~Exists(booked), user=person).select_related("checkout")
    return show(
        request,
        "backoffice/person.html",
        person.full_name or person.email,
        person=person,
        trail=[(_("Today"), reverse("desk:today"))],
        lines=lines_of(bookings) if may(request, rights.SEE_BOOKINGS) else [],
        payments=unbooked.order_by("-pk")[:NEWEST] if sees_money else [],
        sees_money=sees_money,
    )

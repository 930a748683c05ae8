"""The first page: what happens today."""

from datetime import datetime, time, timedelta

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from backoffice import rights
from backoffice.navigation import entries_of
from backoffice.pages import desk_page, may, show
from booking.models import Booking


@desk_page(rights.SEE_BOOKINGS)
def today(request: HttpRequest) -> HttpResponse:
    midnight = timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
    bookings = (
        Booking.objects.filter(starts_at__gte=midnight, starts_at__lt=midnight + timedelta(days=1))
        .exclude(status=Booking.Status.CANCELLED)
        .select_related("user", "checkout")
        .order_by("starts_at", "id")
    )
    return show(request, "backoffice/today.html", _("Today"), bookings=bookings, now=timezone.now())


@desk_page()
def tables(request: HttpRequest) -> HttpResponse:
    """The rows behind the desk, as far as the rights of this person go."""
    app_list = admin.site.get_app_list(request)
    return show(request, "backoffice/tables.html", _("All tables"), app_list=app_list)


def start(request: HttpRequest) -> HttpResponse:
    """What the address of the admin itself shows: Today, or the first page that this person may open."""
    if may(request, rights.SEE_BOOKINGS):
        return today(request)
    return redirect(entries_of(request)[0].page)

"""Cancel or move a booking by the signed link of its mails, without a login: as JSON, and as a page without scripts.

Reading changes nothing, whoever opens the link: programs that look through mails follow every link in them.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from booking.models import Booking, Slot
from booking.services import SlotGone
from core.errors import InvalidField, Refusal, translated
from core.language import language_of, localized
from payment.serializers.booking_changes import BookingChangesSerializer, CancelByLinkRequest, MoveRequest
from payment.serializers.sentences import cancellation_sentence, refund_sentence
from payment.services.booking_changes import (
    LinkUsed,
    cancel_by_link,
    cancellation_now,
    find_move_problem,
    has_any_time,
    move_by_link,
    require_fresh,
    times_to_move,
)
from payment.services.links import SHARED_CALENDAR, calendar_url, change_behind, change_url
from payment.views.pages import PageView, SeeOther

BY_LINK = "cancelled by its customer"


class BookingChangeViewSet(ViewSet):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="booking_changes_look", responses=BookingChangesSerializer)
    def retrieve(self, request: Request, token: str) -> Response:
        """What can be changed now, and what a cancellation would give back."""
        return self._answer(request, require_fresh(change_behind(token)))

    @extend_schema(
        operation_id="booking_changes_cancel", request=CancelByLinkRequest, responses=BookingChangesSerializer
    )
    def cancel(self, request: Request, token: str) -> Response:
        link, form = change_behind(token), CancelByLinkRequest(data=request.data)
        form.is_valid(raise_exception=True)
        cancel_by_link(link, form.validated_data["cancellation_reason"] or BY_LINK)
        return self._answer(request, link.booking)

    @extend_schema(
        operation_id="booking_changes_move", request=MoveRequest, responses=BookingChangesSerializer
    )
    def move(self, request: Request, token: str) -> Response:
        """The link ends with it; the message about the move has the next one."""
        link, form = change_behind(token), MoveRequest(data=request.data)
        form.is_valid(raise_exception=True)
        return self._answer(request, move_by_link(link, **form.validated_data))

    def _answer(self, request: Request, booking: Booking) -> Response:
        booking.refresh_from_db()
        return Response(BookingChangesSerializer(booking, context={"request": request}).data)


class BookingChangePageView(PageView):
    """A link chooses a time, or the cancellation; the button on the page behind it does it."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = change_behind(token)
        return self._show_used(request) if link.is_used else self._show(request, link.booking)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        link = change_behind(token)
        try:
            if request.POST.get("action") == "cancel":
                cancel_by_link(link, BY_LINK)
                return SeeOther(request.path)
            chosen = {name: value for name in ("slot", "starts_at") if (value := request.POST.get(name))}
            form = MoveRequest(data=chosen)
            if not form.is_valid():
                raise InvalidField(
                    "starts_at", _("This time cannot be read. Please choose one of these times.")
                )
            was_used = link.is_used
            booking = move_by_link(link, **form.validated_data)
            return self._show_used(request) if was_used else SeeOther(change_url(booking))
        except LinkUsed:
            return self._show_used(request)
        except (Refusal, InvalidField) as refusal:
            link.booking.refresh_from_db()
            notice = translated(refusal, language_of(request))
            return self._show(request, link.booking, notice, refusal.status_code)

    def _show_used(self, request: HttpRequest) -> HttpResponse:
        """Nothing about the booking as it is now, and no link to it: the holder of an old one may be anybody."""
        with translation.override(language_of(request)):
            sentence = LinkUsed.default_detail
            return render(
                request, "payment/link_used.html", {"sentence": sentence}, status=LinkUsed.status_code
            )

    def _show(
        self, request: HttpRequest, booking: Booking, notice: str = "", status: int = 200
    ) -> HttpResponse:
        language = language_of(request)
        cancellation = cancellation_now(booking)
        problem = find_move_problem(booking)
        times = [] if problem else times_to_move(booking)
        is_cancelled = booking.status == Booking.Status.CANCELLED
        with translation.override(language):
            context: dict[str, Any] = {
                **_chosen(request, times, may_move=not problem, may_cancel=cancellation is not None),
                "language": language,
                "booking": booking,
                "checkout": booking.checkout,
                "is_cancelled": is_cancelled,
                "refund": refund_sentence(booking.checkout.payment) if is_cancelled else "",
                "cancellation": cancellation,
                "sentence": cancellation_sentence(cancellation),
                "problem": problem.user_message(language) if problem else "",
                "times": times,
                "any_time": has_any_time(booking),
                "calendar": calendar_url(booking, SHARED_CALENDAR),
                "preparation": localized(booking.checkout.puja_service, "preparation"),
            }
            if notice:
                context["notice"] = notice
            return render(request, "payment/change.html", context, status=status)


def _chosen(request: HttpRequest, times: list[Slot], *, may_move: bool, may_cancel: bool) -> dict[str, Any]:
    """What the page asks to confirm: a free time, any time of a puja without slots, or the cancellation."""
    if request.method == "POST":  # it was confirmed, and refused
        return {}
    if request.GET.get("action") == "cancel" and may_cancel:
        return {"is_cancelling": True}
    form = MoveRequest(
        data={name: value for name in ("slot", "starts_at") if (value := request.GET.get(name))}
    )
    if not may_move or not form.is_valid():
        return {}
    if (slot := form.validated_data.get("slot")) is not None:
        found = next((each for each in times if each.pk == slot), None)
        return {"new_slot": found, "new_start": found.starts_at} if found else {"notice": SlotGone().detail}
    return {"new_start": form.validated_data["starts_at"]}

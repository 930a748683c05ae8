from typing import cast

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from booking.models import Slot
from payment.serializers.slot_closure import ClearedSerializer, CloseRequest
from payment.services.slot_closure import move_all, refund_all
from payment.views.rights import StaffView


class SlotClosingView(StaffView):
    right = "booking.change_slot"

    @extend_schema(operation_id="slot_close", request=CloseRequest, responses=ClearedSerializer(many=True))
    def post(self, request: Request, pk: int) -> Response:
        """Close a time and move or refund who booked it, a hundred a call: one entry for each.

        `X-Bookings-Left` says how many the call has not come to. Call again until it is 0.
        """
        slot = get_object_or_404(Slot, pk=pk)
        form = CloseRequest(data=request.data)
        form.is_valid(raise_exception=True)
        reason, to = form.validated_data["reason"], form.validated_data.get("to")
        if form.validated_data["then"] == "refund":
            closing = refund_all(slot, reason, cast(User, request.user))
        else:
            others = Slot.objects.filter(service=slot.service_id).exclude(pk=slot.pk)
            closing = move_all(slot, reason, to and get_object_or_404(others, pk=to))
        cleared = ClearedSerializer(closing.cleared, many=True)
        return Response(cleared.data, headers={"X-Bookings-Left": str(closing.left)})

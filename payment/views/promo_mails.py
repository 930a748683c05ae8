"""Promo codes by mail, on a route of `booking`, which sends none."""

from typing import Any

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.permissions import HasRight
from booking.filters import LARGEST_ID
from booking.models import PromoCode
from booking.services.promos import WITH_ROOM
from core import serializers
from core.errors import InvalidField
from core.language import in_both_languages
from payment.services.promo_mails import send_codes

MOST_CODES, MOST_PEOPLE = 10, 100


class SendPromosRequest(serializers.Serializer[Any]):
    promo_ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID),
        allow_empty=False,
        max_length=MOST_CODES,
    )
    user_emails = serializers.ListField(
        child=serializers.EmailField(max_length=254), allow_empty=False, max_length=MOST_PEOPLE
    )


class SentPromosSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    user_message = serializers.CharField()
    sent_count = serializers.IntegerField()


class SendPromosView(APIView):
    permission_classes = (HasRight("booking.change_promocode"),)  # type: ignore[assignment]
    throttle_scope = "promo"

    @extend_schema(operation_id="promo_send", request=SendPromosRequest, responses=SentPromosSerializer)
    def post(self, request: Request) -> Response:
        """To people with an account and a confirmed address, at most three codes a day to each."""
        form = SendPromosRequest(data=request.data)
        form.is_valid(raise_exception=True)
        ids = {*form.validated_data["promo_ids"]}
        codes = [*PromoCode.objects.filter(WITH_ROOM, pk__in=ids, is_active=True)]
        if len(codes) < len(ids):
            raise InvalidField(
                "promo_ids", _("One of these codes does not exist, is switched off, or is used up.")
            )
        sent = send_codes(codes, form.validated_data["user_emails"])
        message = format_lazy(
            _("{count} mails are on their way. Only people with an account and a confirmed address get one."),
            count=sent,
        )
        return Response(in_both_languages(request, message) | {"sent_count": sent})

"""Whether people can pay now, and the wish to be told when they can."""

from typing import cast

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from core import serializers
from core.language import in_both_languages
from payment.services.paying import paying_works, watch

WORKS = _("You can pay now.")
WORKS_NOT = _(
    "Payments do not work at the moment. Your cart is kept; we can tell you by mail when they work again."
)
WATCHED = _("We write to you as soon as payments work again.")
ANSWER = inline_serializer(
    "Paying",
    {
        "works": serializers.BooleanField(),
        "message": serializers.CharField(),
        "user_message": serializers.CharField(help_text="the same in the language of the reader"),
    },
)


class PayingViewSet(ViewSet):
    permission_classes = (AllowAny,)

    def get_authenticators(self) -> list[BaseAuthentication]:
        """An ended token keeps nobody from reading. While the schema is written, there is no request."""
        is_read = getattr(self.request, "method", "") == "GET"
        return [] if is_read else super().get_authenticators()

    def get_permissions(self) -> list[AllowAny | IsAuthenticated]:
        return [IsAuthenticated()] if self.action == "watch" else [AllowAny()]

    @extend_schema(operation_id="paying_look", responses=ANSWER)
    def retrieve(self, request: Request) -> Response:
        works = paying_works()
        return Response({"works": works, **in_both_languages(request, WORKS if works else WORKS_NOT)})

    @extend_schema(operation_id="paying_watch", request=None, responses={200: ANSWER, 202: ANSWER})
    def watch(self, request: Request) -> Response:
        """The caller is told by mail. 200 when paying works already: then nobody is."""
        if paying_works():
            return self.retrieve(request)
        watch(cast(User, request.user))
        answer = {"works": False, **in_both_languages(request, WATCHED)}
        return Response(answer, status=status.HTTP_202_ACCEPTED)

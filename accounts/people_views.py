"""People as today's admin pages list, suspend and close them."""

from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.models import User
from accounts.people import change_status
from accounts.permissions import HasRight
from accounts.serializers import PersonStatusSerializer, StaffPersonSerializer
from core.long_lists import LongPaginator
from core.pagination import BoundedArray


class PeopleArray(BoundedArray):
    """The page searches, filters and turns pages in the browser, and asks for no second one."""

    most_rows = 1_000
    django_paginator_class = LongPaginator


class PeopleViewSet(ListModelMixin, GenericViewSet[User]):
    """Accounts, the newest first."""

    queryset = User.objects.order_by("-pk")
    serializer_class = StaffPersonSerializer
    pagination_class = PeopleArray
    lookup_value_regex = r"\d{1,18}"

    def get_permissions(self) -> list[Any]:
        return [HasRight("accounts.view_user" if self.action == "list" else "accounts.change_user")]

    @extend_schema(request=PersonStatusSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        incoming = PersonStatusSerializer(data=request.data, context={"request": request})
        incoming.is_valid(raise_exception=True)
        return self._change(request, incoming.validated_data["account_status"])

    def destroy(self, request: Request, pk: str) -> Response:
        """Closes the account. Nothing is erased: the page asks no question before it calls this."""
        self._change(request, User.AccountStatus.DEACTIVATED)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _change(self, request: Request, to: str) -> Response:
        person = change_status(self.get_object(), User.AccountStatus(to), cast(User, request.user))
        return Response(StaffPersonSerializer(person).data)

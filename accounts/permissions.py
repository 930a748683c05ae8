"""The one place that decides what a member of the staff may do by the API. The admin asks for the same rights."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User


def may(request: Request, right: str) -> bool:
    return isinstance(request.user, User) and request.user.holds(right)


class HasRight(BasePermission):
    """`permission_classes = (HasRight("payment.change_refund"),)`."""

    def __init__(self, right: str) -> None:
        self.right = right

    def __call__(self) -> "HasRight":
        """REST framework calls each permission class to get the permission of a request."""
        return self

    def has_permission(self, request: Request, view: Any) -> bool:
        return may(request, self.right)

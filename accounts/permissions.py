"""What a member of the staff may do by the API, by the rights of the admin, and a server by the scopes of its key."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import ApiKey, User
from core.errors import Refusal


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


class ScopeMissing(Refusal):
    status_code = 403
    default_code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This API key has no scope {scope}.", scope=scope)


class HasScope(BasePermission):
    """`scopes` of the view names the scope of each action. An action without one is for nobody."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.user, ApiKey):
            return False
        scope = view.scopes.get(view.action)
        if scope is not None and not request.user.holds(scope):
            raise ScopeMissing(scope)
        return scope is not None

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class HasRight(BasePermission):
    """Staff who were given the `right` that the view names. Superusers have all."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_staff and request.user.has_perm(view.right))


class StaffView(APIView):
    """Asks for the same right as the admin does for the same decision."""

    permission_classes = (HasRight,)
    right: str

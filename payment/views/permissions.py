from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class StaffWithPermission(BasePermission):
    """Staff who have the view's `required_permission`. Superusers have all.

    The admin site requires the same permission for the same decision.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_staff and request.user.has_perm(view.required_permission))

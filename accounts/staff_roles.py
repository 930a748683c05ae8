"""Which role somebody has: one of the groups that migrations make, or none."""

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import Session, User
from accounts.second_factor import forget_device
from accounts.services import lock_user
from accounts.session_ends import end_all
from core.errors import Conflict


class RoleRefused(Conflict):
    default_code = "role_refused"
    default_detail = _("The role of this account cannot be chosen here.")


def staff() -> "QuerySet[User]":
    return User.objects.filter(is_staff=True).prefetch_related("groups").order_by("email")


@transaction.atomic
def assign_role(pk: int, role: str, by: User, reason: str) -> User:
    """`role`: the name of a group; "" takes all rights away. Rights that were given one by one end with it.

    Every session of theirs ends. Raises RoleRefused for superusers and for oneself: nobody raises their own rights.
    """
    lock_user(pk)
    person = User.objects.get(pk=pk)
    if person.holds_everything or person == by:
        raise RoleRefused
    groups = [*person.groups.values_list("name", flat=True)]
    if (
        groups == [role] * bool(role)
        and person.is_customer is not bool(role)
        and not person.user_permissions.exists()
    ):
        return person  # a second click, or somebody else was faster
    before = ", ".join(groups) or "none"
    person.groups.set([Group.objects.get(name=role)] if role else [])
    person.user_permissions.clear()
    message = f"role: {before} → {role or 'none'}: {reason}"
    person.change_kind(User.Role.EMPLOYEE if role else User.Role.USER, message)
    if not role:
        forget_device(person, by)
    end_all(person, Session.EndedBecause.ACCOUNT)
    LogEntry.objects.log_actions(by.pk, [person], CHANGE, message, single_object=True)
    person.refresh_from_db()
    return person

"""What staff may do with other people's accounts: suspend, close, open again, and make one for an employee."""

import logging

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Session, User
from accounts.services import refuse_taken, refuse_weak
from accounts.session_ends import end_all
from core.errors import Conflict, Refusal

logger = logging.getLogger(__name__)

Status = User.AccountStatus


class NotYourself(Refusal):
    default_code = "not_yourself"
    default_detail = _("You cannot close your own account.")


class OnlySuperusers(Refusal):
    status_code = 403
    default_code = "only_superusers"
    default_detail = _("Accounts of staff are changed by superusers only.")


class LastSuperuser(Conflict):
    default_code = "last_superuser"
    default_detail = _("This is the last superuser: nobody could open the accounts of staff again.")


@transaction.atomic
def change_status(person: User, status: User.AccountStatus, by: User) -> User:
    """Every session of the account ends. Nothing is erased. The same status twice is one change.

    Raises NotYourself, OnlySuperusers, LastSuperuser.
    """
    if person.pk == by.pk:
        raise NotYourself
    rows, superusers = User.objects.select_for_update(no_key=True), User.objects.superusers()
    if not person.is_customer:
        # All in one order: two superusers who close each other's account at once must not both succeed.
        list(rows.filter(pk__in=superusers).order_by("pk"))
    current = rows.get(pk=person.pk)
    if not by.may_edit(current):
        raise OnlySuperusers
    if current.account_status == status:
        return current
    others = superusers.filter(account_status=Status.ACTIVE).exclude(pk=current.pk)
    if status != Status.ACTIVE and superusers.filter(pk=current.pk).exists() and not others.exists():
        raise LastSuperuser
    current.account_status, current.updated_at = status, timezone.now()
    current.save(update_fields=["account_status", "updated_at"])
    end_all(current, Session.EndedBecause.ACCOUNT)
    logger.info(
        "staff changed the status of an account", extra={"user": current.pk, "by": by.pk, "status": status}
    )
    return current


def create_employee(*, email: str, password: str, first_name: str = "", phone: str | None = None) -> User:
    """An account with the role EMPLOYEE and no right: superusers give rights. Raises ValidationError."""
    person = User(email=email.strip().lower(), first_name=first_name, phone=phone, role=User.Role.EMPLOYEE)
    refuse_taken(person.email)
    refuse_weak(password, person, field="password")
    person.password = make_password(password)
    try:
        person.save(force_insert=True)
    except IntegrityError:
        refuse_taken(person.email)
        raise
    return person

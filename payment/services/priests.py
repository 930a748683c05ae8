"""Staff give a booking to a priest, or take it from them; the priest and the customer are told of it."""

from django.db import transaction
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

import booking.services.priests as priests
from accounts.models import User
from booking.models import Assignment, Booking, Priest
from core.errors import InvalidField
from payment.models import CaseNote
from payment.services.notifications import notify_priest_known, notify_priests
from payment.services.transitions import lock_payment, record_booking

REPLACED, TAKEN_AWAY = "given to another priest", "taken away"


@transaction.atomic
def assign_priest(booking: Booking, priest: Priest, by: User) -> Assignment:
    """Twice is once. Raises what `priests.assign` raises."""
    payment = lock_payment(checkout=booking.checkout_id)
    assignment = priests.assign(booking, priest, by)
    if assignment.news == Assignment.News.NEW:
        record_booking(payment, booking.status, "priest_assigned", f"by user {by.pk}: {priest.name}")
        notify_priests(assignment.booking)
        notify_priest_known(assignment)
    return assignment


@transaction.atomic
def unassign_priest(assignment: Assignment, reason: str, by: User) -> bool:
    """Says whether we took it from them. Twice is once."""
    payment = lock_payment(checkout=assignment.booking.checkout_id)
    if not priests.unassign(assignment, reason):
        return False
    note = f"by user {by.pk}: {assignment.priest.name}, {reason}"
    record_booking(payment, assignment.booking.status, "priest_unassigned", note)
    notify_priests(assignment.booking)
    return True


@transaction.atomic
def assign_account(booking: Booking, account: int, note: str, by: User) -> None:
    """To the priest with this account; 0 takes the booking from all its priests. The note goes to its case.

    Who holds it already stays while the package has another place; where it has none, the first of them is
    replaced. Raises InvalidField for an account that is no priest's, and what `assign_priest` raises.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    held = list(priests.active(booking).select_related("priest", "booking").order_by("pk"))
    if account:
        priest = _priest_of(account)
        others = [each for each in held if each.priest_id != priest.pk]
        for each in others[: max(len(others) + 1 - booking.checkout.priest_count, 0)]:
            unassign_priest(each, REPLACED, by)
        assign_priest(booking, priest, by)
    else:
        for each in held:
            unassign_priest(each, TAKEN_AWAY, by)
    if note:
        CaseNote.objects.create(payment=payment, author=by, text=note)


def _priest_of(account: int) -> Priest:
    person = priests.employees().filter(pk=account).first()
    if person is None:
        raise InvalidField("assigned_to", _("Choose somebody from the list of employees."))
    priest = Priest.objects.filter(user=person).first()
    if priest is None:
        text = _("{name} is no priest yet: add them on the desk under Priests, with {email} as their login.")
        raise InvalidField("assigned_to", format_lazy(text, name=person.username, email=person.email))
    return priest

"""Staff give a booking to a priest, or take it from them; the priest and the customer are told of it."""

from django.db import transaction

import booking.services.priests as priests
from accounts.models import User
from booking.models import Assignment, Booking, Priest
from payment.services.notifications import notify_priest_known, notify_priests
from payment.services.transitions import lock_payment, record_booking


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
    told = f"by user {by.pk}: {assignment.priest.name}, {reason}"
    record_booking(payment, assignment.booking.status, "priest_unassigned", told)
    notify_priests(assignment.booking)
    return True

"""The status that staff give a booking at the desk: each change goes through the service that customers use."""

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Booking
from booking.services import complete
from core.errors import Conflict
from payment.models import Refund
from payment.services.refunds.requests import cancel_booking
from payment.services.transitions import lock_payment, record_booking

Status = Booking.Status
REJECTED = "REJECTED"  # at the desk: a booking that the temple cancels


class NotConfirmable(Conflict):
    default_code = "not_confirmable"
    default_detail = _("A booking is confirmed by its payment. This one is over.")


class NotCompletable(Conflict):
    default_code = "not_completable"
    default_detail = _("Only a confirmed booking whose puja has begun can be completed.")


def change_status(booking: Booking, status: str, reason: str, by: User) -> Refund | None:
    """CANCELLED: refunded by the policy, as when its customer cancels. REJECTED: by the temple, refunded in full.

    Where a second person must approve the refund, it is only requested, and the booking stays until then. Raises
    Conflict, and what `cancel_booking` raises.
    """
    if status == Status.CONFIRMED:
        booking.refresh_from_db(fields=["status"])
        if booking.status != Status.CONFIRMED:
            raise NotConfirmable
        return None
    if status == Status.COMPLETED:
        _complete(booking, by)
        return None
    is_rejection = status == REJECTED
    return cancel_booking(booking, reason, by=by, in_full=is_rejection, rejected=is_rejection)


@transaction.atomic
def _complete(booking: Booking, by: User) -> None:
    """Twice is once."""
    payment = lock_payment(checkout=booking.checkout_id)
    booking.refresh_from_db(fields=["status"])
    if booking.status == Status.COMPLETED:
        return
    if not complete(booking):
        raise NotCompletable
    record_booking(payment, Status.COMPLETED, "completed_by_staff", f"by user {by.pk}")

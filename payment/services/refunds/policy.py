"""How much of a cancelled booking goes back: so many hours before its start, so many percent."""

from datetime import datetime, timedelta

from django.conf import settings

from booking.models import Booking

LEAST_PAISE = 100  # PhonePe sends nothing below one rupee back, and what stays must be returnable too


def share_of_booking(booking: Booking, left_paise: int, now: datetime) -> int:
    """What a customer who cancels now gets back of `left_paise`: what the mails promise is asked here, too."""
    until = free_until(booking)
    if booking.choose_until or (until is not None and now <= until):
        return left_paise
    return share_paise(left_paise, booking.starts_at - now)


def free_until(booking: Booking) -> datetime | None:
    """Until when a cancellation gives everything back: after a move by the temple, else by the policy."""
    hours = [hours for hours, percent in settings.REFUND_POLICY if percent == 100]
    by_policy = booking.starts_at - timedelta(hours=min(hours)) if hours else None
    return max(filter(None, (by_policy, booking.free_until)), default=None)


def share_paise(left_paise: int, ahead: timedelta) -> int:
    """What goes back of `left_paise` when the puja starts `ahead` of now. Whole paise, in the shop's favour."""
    percent = next((share for hours, share in settings.REFUND_POLICY if ahead >= timedelta(hours=hours)), 0)
    share = left_paise * percent // 100
    if share < LEAST_PAISE:
        return 0
    return left_paise if left_paise - share < LEAST_PAISE else share

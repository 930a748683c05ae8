"""How much of a cancelled booking goes back: so many hours before its start, so many percent."""

from datetime import timedelta

from django.conf import settings

LEAST_PAISE = 100  # PhonePe sends nothing below one rupee back, and what stays must be returnable too


def share_paise(left_paise: int, ahead: timedelta) -> int:
    """What goes back of `left_paise` when the puja starts `ahead` of now. Whole paise, in the shop's favour."""
    percent = next((share for hours, share in settings.REFUND_POLICY if ahead >= timedelta(hours=hours)), 0)
    share = left_paise * percent // 100
    if share < LEAST_PAISE:
        return 0
    return left_paise if left_paise - share < LEAST_PAISE else share

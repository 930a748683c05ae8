"""The cancellation rule in words, and what it means for one booking now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.dates import spell_moment
from core.money import grouped


@dataclass(frozen=True)
class Share:
    """What goes back, in paise, of a cancellation before `until`."""

    until: datetime
    paise: int


def rules_in_words() -> list[str]:
    """Of REFUND_POLICY, for everybody."""
    sentences = []
    for hours, percent in settings.REFUND_POLICY:
        if percent == 0:
            continue
        ahead = _days_or_hours(hours)
        if percent == 100:
            sentences.append(
                _("Cancel up to {ahead} before the start, and you get all of your money back.").format(
                    ahead=ahead
                )
            )
        else:
            # xgettext:no-python-format
            text = _("Cancel up to {ahead} before the start, and you get {percent} % of it back.")
            sentences.append(text.format(ahead=ahead, percent=percent))
    return [*sentences, _("After that, nothing is paid back."), _kept_promise()]


def shares(starts_at: datetime, paid_paise: int) -> list[Share]:
    """By REFUND_POLICY, as far as it can still be had."""
    rows = (
        (starts_at - timedelta(hours=hours), percent) for hours, percent in settings.REFUND_POLICY if percent
    )
    now = timezone.now()
    return [Share(until, paid_paise * percent // 100) for until, percent in rows if until > now]


def shares_in_words(starts_at: datetime, paid_paise: int) -> list[str]:
    """With the day and the rupees of this booking."""
    steps = shares(starts_at, paid_paise)
    text = _("Cancel before {moment}: ₹{amount} come back to you.")
    sentences = [
        text.format(moment=spell_moment(each.until), amount=grouped(each.paise).removesuffix(".00"))
        for each in steps
    ]
    if not steps:
        return [_("A cancellation is not refunded any more."), _kept_promise()]
    return [*sentences, _("After that, nothing is paid back."), _kept_promise()]


def _kept_promise() -> str:
    return _("If we cannot hold the puja, you get everything back.")


def _days_or_hours(hours: int) -> str:
    if hours % 24 == 0 and hours >= 48:
        return ngettext("{n} day", "{n} days", hours // 24).format(n=hours // 24)
    return ngettext("{n} hour", "{n} hours", hours).format(n=hours)

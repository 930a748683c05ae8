"""PhonePe's time: the real one plus what the control door has advanced it by."""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from simulator.models import Clock


def now() -> datetime:
    offset = Clock.objects.filter(pk=Clock.ONLY).values_list("offset_seconds", flat=True).first()
    return timezone.now() + timedelta(seconds=offset or 0)


def advance(seconds: int) -> datetime:
    Clock.objects.get_or_create(pk=Clock.ONLY)
    Clock.objects.filter(pk=Clock.ONLY).update(offset_seconds=F("offset_seconds") + seconds)
    return now()


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds, counted in whole numbers: a float would be off by one now and then."""
    since_epoch = moment - datetime.fromtimestamp(0, tz=moment.tzinfo)
    return since_epoch // timedelta(milliseconds=1)


def seconds(moment: datetime) -> int:
    return milliseconds(moment) // 1000

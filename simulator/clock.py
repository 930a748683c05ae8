"""PhonePe's time: the real one plus what the control door has advanced it by, or one moment while it is stopped."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from simulator.models import Clock


def set_right() -> None:
    """To the real time, and going."""
    Clock.objects.update_or_create(pk=Clock.ONLY, defaults={"offset": timedelta(0), "stopped_at": None})


def now() -> datetime:
    clock = Clock.objects.filter(pk=Clock.ONLY).first()
    return shown(clock) if clock else timezone.now()


def is_stopped() -> bool:
    return Clock.objects.filter(pk=Clock.ONLY, stopped_at__isnull=False).exists()


def advance(seconds: int) -> datetime:
    """A stopped clock is moved on and stays stopped."""
    step = timedelta(seconds=seconds)
    Clock.objects.get_or_create(pk=Clock.ONLY)
    Clock.objects.filter(pk=Clock.ONLY).update(offset=F("offset") + step, stopped_at=F("stopped_at") + step)
    return now()


def stop() -> datetime:
    with transaction.atomic():
        clock = _locked()
        Clock.objects.filter(pk=Clock.ONLY).update(stopped_at=shown(clock))
    return now()


def start() -> datetime:
    """It goes on from where it was stopped."""
    with transaction.atomic():
        clock = _locked()
        Clock.objects.filter(pk=Clock.ONLY).update(stopped_at=None, offset=shown(clock) - timezone.now())
    return now()


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds, counted in whole numbers: a float would be off by one now and then."""
    since_epoch = moment - datetime.fromtimestamp(0, tz=moment.tzinfo)
    return since_epoch // timedelta(milliseconds=1)


def seconds(moment: datetime) -> int:
    return milliseconds(moment) // 1000


def shown(clock: Clock) -> datetime:
    moment: datetime = clock.stopped_at or timezone.now() + clock.offset
    return moment


def _locked() -> Clock:
    Clock.objects.get_or_create(pk=Clock.ONLY)
    clock: Clock = Clock.objects.select_for_update().get(pk=Clock.ONLY)
    return clock

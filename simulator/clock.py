"""The simulator's clock: real time plus an offset, or a fixed time while it is stopped. The control API sets it."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from simulator.models import Clock


def reset() -> None:
    """To real time, running."""
    Clock.objects.update_or_create(pk=Clock.ONLY, defaults={"offset": timedelta(0), "stopped_at": None})


def now() -> datetime:
    clock = Clock.objects.filter(pk=Clock.ONLY).first()
    return read_clock(clock) if clock else timezone.now()


def is_stopped() -> bool:
    return Clock.objects.filter(pk=Clock.ONLY, stopped_at__isnull=False).exists()


def advance(seconds: int) -> datetime:
    """A stopped clock moves forward and stays stopped."""
    step = timedelta(seconds=seconds)
    Clock.objects.get_or_create(pk=Clock.ONLY)
    Clock.objects.filter(pk=Clock.ONLY).update(offset=F("offset") + step, stopped_at=F("stopped_at") + step)
    return now()


def stop() -> datetime:
    with transaction.atomic():
        clock = _lock_row()
        Clock.objects.filter(pk=Clock.ONLY).update(stopped_at=read_clock(clock))
    return now()


def start() -> datetime:
    """It continues from the time at which it was stopped."""
    with transaction.atomic():
        clock = _lock_row()
        Clock.objects.filter(pk=Clock.ONLY).update(stopped_at=None, offset=read_clock(clock) - timezone.now())
    return now()


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds, by integer arithmetic: a float is sometimes off by one."""
    since_epoch = moment - datetime.fromtimestamp(0, tz=moment.tzinfo)
    return since_epoch // timedelta(milliseconds=1)


def seconds(moment: datetime) -> int:
    return milliseconds(moment) // 1000


def read_clock(clock: Clock) -> datetime:
    moment: datetime = clock.stopped_at or timezone.now() + clock.offset
    return moment


def _lock_row() -> Clock:
    Clock.objects.get_or_create(pk=Clock.ONLY)
    clock: Clock = Clock.objects.select_for_update().get(pk=Clock.ONLY)
    return clock

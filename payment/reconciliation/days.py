"""A day as people in our time zone mean it."""

from datetime import date, datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone


def span(day: date) -> tuple[datetime, datetime]:
    """From its first moment to the first of the next."""
    midnight = datetime.combine(day, time())
    return timezone.make_aware(midnight), timezone.make_aware(midnight + timedelta(days=1))


def on(day: date, *columns: str) -> Q:
    """Where one of these moments lies in that day."""
    begins, ends = span(day)
    found = Q()
    for column in columns:
        found |= Q(**{f"{column}__gte": begins, f"{column}__lt": ends})
    return found


def yesterday() -> date:
    return timezone.localdate() - timedelta(days=1)

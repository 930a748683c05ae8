"""The backups that `manage.py backup` leaves in BACKUP_DIR, by their names: when the newest one was made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

PATTERN = "okpuja-*.backup"
OVERDUE = timedelta(hours=36)  # there is one each night


def newest_made_at() -> datetime | None:
    """None: there is none, or the folder cannot be read."""
    names = sorted(file.stem for file in Path(settings.BACKUP_DIR).glob(PATTERN))
    if not names:
        return None
    try:
        return datetime.strptime(names[-1], "okpuja-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # a file that somebody has put there
        return None


def is_overdue(now: datetime) -> bool:
    """Never without a BACKUP_KEY: then backups are made by other means."""
    if not settings.BACKUP_KEY:
        return False
    made_at = newest_made_at()
    return made_at is None or made_at < now - OVERDUE

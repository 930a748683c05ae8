"""API keys of servers, from the shell. The admin can do the same."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from accounts.api_keys import OVERLAP, create_key, revoke_key, rotate_key
from accounts.models import ApiKey
from core.printable import PrintableCommand

KEPT_BY_YOU = "Keep it now: it is stored nowhere, and shown this once."


class Command(PrintableCommand):
    help = "Makes, lists, rotates and revokes API keys, with which servers of the business use /api/server/."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="make a key and print it")
        create.add_argument("name", help="name of the program that will use it")
        create.add_argument("--scope", action="append", required=True, choices=ApiKey.Scope.values)
        create.add_argument("--days", type=int, help="days until it expires; without this it never does")
        actions.add_parser("list", help="every key, without the keys themselves")
        rotate = actions.add_parser("rotate", help="make a new key for an old one, which ends a little later")
        rotate.add_argument("prefix", help="how the old key begins, as `list` shows it")
        hours = OVERLAP // timedelta(hours=1)
        rotate.add_argument(
            "--overlap-hours",
            type=int,
            default=hours,
            help=f"hours in which both keys are valid; {hours} by default",
        )
        revoke = actions.add_parser("revoke", help="end a key at once")
        revoke.add_argument("prefix", help="how the key begins, as `list` shows it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        getattr(self, f"_{action}")(**options)

    def _create(self, *, name: str, scope: list[str], days: int | None, **_: Any) -> None:
        if days is not None and not 1 <= days <= 3650:
            raise CommandError("--days must be from 1 to 3650.")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        try:
            ApiKey._meta.get_field("name").clean(name, None)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        _key, raw = create_key(name, scope, expires_at=expires_at)
        self.stdout.write(raw)
        self.stderr.write(KEPT_BY_YOU)

    def _list(self, **_: Any) -> None:
        now = timezone.now()
        for key in ApiKey.objects.order_by("pk"):
            state = "good" if key.is_good(now) else "revoked" if key.revoked_at else "expired"
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            until = f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "without an end"
            self.stdout.write(f"{key.prefix}  {state}  {until}  {used}  {' '.join(key.scopes)}  {key.name}")

    def _rotate(self, *, prefix: str, overlap_hours: int, **_: Any) -> None:
        if not 0 <= overlap_hours <= 24 * 30:
            raise CommandError("--overlap-hours must be from 0 to 720.")
        try:
            _key, raw = rotate_key(_find(prefix), overlap=timedelta(hours=overlap_hours))
        except ApiKey.DoesNotExist as error:
            raise CommandError("This key is revoked or expired: make a new one.") from error
        self.stdout.write(raw)
        self.stderr.write(f"{KEPT_BY_YOU} The old one is good for {overlap_hours} more hours at most.")

    def _revoke(self, *, prefix: str, **_: Any) -> None:
        if not revoke_key(_find(prefix)):
            raise CommandError("This key was revoked before.")
        self.stdout.write(f"{prefix} is revoked.")


def _find(prefix: str) -> ApiKey:
    key = ApiKey.objects.filter(prefix=prefix).first()
    if key is None:
        raise CommandError("There is no such key: `manage.py api_key list` shows them.")
    return key

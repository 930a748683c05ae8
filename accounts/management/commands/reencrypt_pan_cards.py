from typing import Any

from django.core.management.base import CommandError

from accounts.models import PanCard
from accounts.pan_cards import KeyIsMissing, encrypt, number_of
from core.printable import PrintableCommand


class Command(PrintableCommand):
    help = "Writes every PAN under the first key. Afterwards former keys may be taken out of the settings."

    def handle(self, *args: Any, **options: Any) -> None:
        written, unreadable = 0, []
        for card in PanCard.objects.order_by("pk").iterator():
            try:
                again = encrypt(card.user_id, number_of(card))
            except KeyIsMissing:
                unreadable.append(card.pk)
                continue
            # Unless its owner has changed it meanwhile: then it is under the first key already.
            written += PanCard.objects.filter(pk=card.pk, number=card.number).update(number=again)
        self.stdout.write(f"{written} encrypted with the first key")
        if unreadable:
            rows = ", ".join(map(str, unreadable[:20]))
            raise CommandError(f"{len(unreadable)} cannot be read with any key: PAN cards {rows}")

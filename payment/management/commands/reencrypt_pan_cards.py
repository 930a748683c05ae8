from typing import Any

from django.core.management.base import CommandError

from accounts.models import PanCard
from accounts.pan_cards import KeyIsMissing, encrypt, number_of
from core.printable import PrintableCommand
from payment.models import Donation
from payment.services.donations import encrypt_again


class Command(PrintableCommand):
    help = "Writes every PAN under the first key. Afterwards former keys may be taken out of the settings."

    def handle(self, *args: Any, **options: Any) -> None:
        written, unreadable = 0, []
        for card in PanCard.objects.order_by("pk").iterator():
            try:
                again = encrypt(card.user_id, number_of(card))
            except KeyIsMissing:
                unreadable.append(f"PAN card {card.pk}")
                continue
            # Unless its owner has changed it meanwhile: then it is under the first key already.
            written += PanCard.objects.filter(pk=card.pk, number=card.number).update(number=again)
        for donation in Donation.objects.exclude(pan="").order_by("pk").iterator():
            try:
                written += encrypt_again(donation)
            except KeyIsMissing:
                unreadable.append(str(donation))
        self.stdout.write(f"{written} encrypted with the first key")
        if unreadable:
            raise CommandError(f"{len(unreadable)} cannot be read with any key: {', '.join(unreadable[:20])}")

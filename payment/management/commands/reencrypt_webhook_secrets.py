from typing import Any

from cryptography.fernet import InvalidToken
from django.core.management.base import CommandError

from core.data_keys import ciphers
from core.printable import PrintableCommand
from payment.models import WebhookEndpoint
from payment.services.webhook_endpoints import PURPOSE


class Command(PrintableCommand):
    help = "Writes every webhook secret under the first key. Afterwards former keys may be taken out of the settings."

    def handle(self, *args: Any, **options: Any) -> None:
        written, unreadable = 0, []
        for endpoint in WebhookEndpoint.objects.order_by("pk"):
            stored = {name: getattr(endpoint, name) for name in ("secret", "former_secret")}
            try:
                again = {name: _rotated(value) for name, value in stored.items() if value}
            except InvalidToken:
                unreadable.append(endpoint.pk)
                continue
            # Unless it was rotated meanwhile: then it is under the first key already.
            written += WebhookEndpoint.objects.filter(pk=endpoint.pk, **stored).update(**again)
        self.stdout.write(f"{written} encrypted with the first key")
        if unreadable:
            rows = ", ".join(map(str, unreadable))
            raise CommandError(f"{len(unreadable)} cannot be read with any key: webhook endpoints {rows}")


def _rotated(secret: str) -> str:
    return ciphers(PURPOSE).rotate(secret.encode()).decode()

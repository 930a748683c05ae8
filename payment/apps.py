from django.apps import AppConfig


class PaymentConfig(AppConfig):
    name = "payment"

    def ready(self) -> None:
        """Registers the system checks, and refuses to start where money would be lost."""
        from payment import checks  # noqa: PLC0415 - what it imports needs the apps to be loaded

        checks.refuse_unsafe()

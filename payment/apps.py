from django.apps import AppConfig


class PaymentConfig(AppConfig):
    name = "payment"

    def ready(self) -> None:
        """Registers the system checks, and refuses to start where money would be lost."""
        from payment import checks, unused_settings  # noqa: F401, PLC0415 - what they import needs the apps to be loaded

        checks.refuse_unsafe()

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        """Registers the system checks."""
        from notifications import checks  # noqa: F401, PLC0415 - what they import needs the apps to be loaded

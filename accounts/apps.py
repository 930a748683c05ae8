from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Registers the system checks."""
        from accounts import checks  # noqa: F401, PLC0415 - what they import needs the apps to be loaded

from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Desk"

    def ready(self) -> None:
        """The tables of the admin in the language of the reader."""
        from backoffice.names import translate_names  # noqa: PLC0415 - it needs the models to be loaded

        translate_names()

import re

from django.apps import AppConfig
from django.core.validators import EmailValidator


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        # Django and REST framework take a@localhost and a@[127.0.0.1] for mail addresses: no customer reads a mail to
        # them. Set here for every form, serializer, model and check: no part accepts what another one refuses.
        EmailValidator.domain_allowlist = []
        EmailValidator.literal_regex = re.compile(r"(?!)")

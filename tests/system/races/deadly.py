"""A mail backend that kills its process, as the kernel does when memory is short."""

import os
from typing import Any

from django.core.mail.backends.locmem import EmailBackend


class DeadlyMail(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        if any("deadly" in address for message in messages for address in message.to):
            os._exit(9)
        return super().send_messages(messages)

"""A MESSAGE_SENDER that cannot work is told when a command starts, not when the first booking is made."""

from typing import Any

from django.core import checks

from notifications.message_sender import message_sender


@checks.register
def check_message_sender(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    hint = "docs/message-senders.md says what MESSAGE_SENDER names."
    try:
        send = message_sender()
    except (ImportError, AttributeError, TypeError) as error:
        return [checks.Error(f"MESSAGE_SENDER cannot be used: {error}", hint=hint, id="notifications.E001")]
    if send is not None and not callable(send):
        return [checks.Error("MESSAGE_SENDER must be callable", hint=hint, id="notifications.E002")]
    return []

"""Settings of accounts that cannot work are told when a command starts, not when the first customer needs a code."""

from typing import Any

from django.core import checks

from accounts.codes import sender, sender_channels
from accounts.models import BY_MAIL


@checks.register
def check_code_sender(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    hint = "docs/code-senders.md says what CODE_SENDER names."
    try:
        send, channels = sender(), sender_channels()
    except (ImportError, AttributeError, TypeError) as error:
        return [checks.Error(f"CODE_SENDER cannot be used: {error}", hint=hint, id="accounts.E001")]
    if not callable(send) or BY_MAIL not in channels:
        problem = f"CODE_SENDER must be callable and have {BY_MAIL!r} among its channels"
        return [checks.Error(problem, hint=hint, id="accounts.E002")]
    return []

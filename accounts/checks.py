"""Settings of accounts that cannot work are told when a command starts, not when the first customer needs a code."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks

from accounts.codes import sender, sender_channels
from accounts.models import BY_MAIL

SHORTEST_DATA_KEY = 32
DISTINCT_CHARACTERS = 8


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


@checks.register
def check_uploads(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Processes that start in different folders would each have pictures of their own under a relative path."""
    folder = Path(settings.UPLOADS_DIR)
    if not folder.is_absolute():
        return [
            checks.Error(
                "UPLOADS_DIR must be an absolute path",
                hint=f"Such as {folder.absolute()}",
                id="accounts.E003",
            )
        ]
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return []
    problem = f"UPLOADS_DIR cannot be written to: {existing}"
    return [
        checks.Error(problem, hint="Make a folder that the user of this process owns.", id="accounts.E004")
    ]


@checks.register
def check_data_keys(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    weak = [
        key
        for key in settings.DATA_KEYS
        if len(key) < SHORTEST_DATA_KEY or len(set(key)) < DISTINCT_CHARACTERS
    ]
    if not weak:
        return []
    hint = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
    return [checks.Error("DATA_KEYS has a key that can be guessed", hint=hint, id="accounts.E005")]

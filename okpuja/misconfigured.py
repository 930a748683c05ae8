"""Settings with which nothing starts, told without a stack: by `manage.py` and by the server, before there is a
Django to tell it."""

import json
import sys
from datetime import datetime, timezone

from core.logging import LOGIN

SUMMARY = "These settings cannot be used: neither the server nor the worker starts with them."


def tell(error: Exception, arguments: list[str]) -> int:
    """Writes which setting is wrong, as JSON where that is asked for. Returns the exit code.

    The texts of these errors name settings and show no secret; only an address may carry a login.
    """
    wrong = LOGIN.sub("//", str(error))
    if "--json" in arguments:
        sys.stdout.write(json.dumps(_answer(wrong), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{SUMMARY}\n\nVerdict:    misconfigured\nWhat to do: {wrong}\n")
    return 1


def _answer(wrong: str) -> dict[str, object]:
    """The shape of a diagnosis, as far as there is one."""
    return {
        "success": False,
        "verdict": "misconfigured",
        "culprit": "configuration",
        "summary": SUMMARY,
        "checked_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "endpoints": [],
        "next_action": wrong,
        "troubleshooting": "docs/troubleshooting.md#misconfigured",
    }

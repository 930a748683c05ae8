"""Reports a setting that keeps server and commands from starting, without a stack, before Django is set up."""

import json
import sys
from datetime import datetime, timezone

from core.logging import LOGIN
from core.printable import printable

SUMMARY = "These settings cannot be used: neither the server nor the worker starts with them."


def report(error: Exception, arguments: list[str]) -> int:
    """Writes which setting is wrong, as JSON with `--json`. Returns the exit code.

    The texts of these errors name settings and contain no secret, except an address with a login.
    """
    wrong = printable(LOGIN.sub("//", str(error)), keep="\n")
    if "--json" in arguments:
        sys.stdout.write(json.dumps(_answer(wrong), indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{SUMMARY}\n\nVerdict:    misconfigured\nWhat to do: {wrong}\n")
    return 1


def _answer(wrong: str) -> dict[str, object]:
    """JSON like that of a diagnosis."""
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

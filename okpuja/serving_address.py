"""The address that the development server listens on, kept in a file for the other commands of this installation.

`make run PORT=9000` starts a server on another port. `manage.py golive` in a second terminal must ask that server, and
a mail that `manage.py work` sends must link to it. A PUBLIC_BASE_URL in the environment or in .env wins.
"""

import logging
import os
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)


def read_address(file: Path) -> str:
    """The address of the server that was started last, or "" when none was."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def save_address(file: Path, url: str) -> None:
    """A folder that cannot be written to is no reason not to serve."""
    try:
        part = file.with_suffix(".part")
        part.write_text(f"{url}\n")
        part.replace(file)
    except OSError as error:
        logger.warning(
            "the address of this server could not be saved; other commands need PUBLIC_BASE_URL",
            extra={"file": str(file), "error": str(error)},
        )


def publish_address(port: int) -> str:
    """The public address of a server on this port: PUBLIC_BASE_URL where it is set, else 127.0.0.1. The processes that
    this one starts read it from the environment, other commands of the installation from the file."""
    if os.environ.get("PUBLIC_BASE_URL"):
        return str(settings.PUBLIC_BASE_URL)
    url = f"http://127.0.0.1:{port}"
    os.environ["PUBLIC_BASE_URL"] = settings.PUBLIC_BASE_URL = url
    if settings.SERVING_ADDRESS_FILE:
        save_address(settings.SERVING_ADDRESS_FILE, url)
    return url

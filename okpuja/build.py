"""Which code this process runs."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

PACKAGES = (
    "okpuja",
    "accounts",
    "backoffice",
    "booking",
    "core",
    "diagnostics",
    "notifications",
    "payment",
    "simulator",
    "storefront",
    "worker",
)
SOURCES = {".py", ".html", ".css", ".js", ".txt", ".mo", ".ttf"}


def fingerprint(root: Path) -> str:
    """Twelve letters that change with any line of our code, however it was deployed: a commit's name would stay
    the same over an edited file, and is not there without git."""
    digest, start = hashlib.sha256(), len(f"{root}/")
    for path in sorted(path for folder in (*PACKAGES, "locale") for path in _sources(f"{root}/{folder}")):
        with open(path, "rb", buffering=0) as file:
            digest.update(path[start:].encode() + b"\0" + file.read() + b"\0")
    return digest.hexdigest()[:12]


def _sources(folder: str) -> Iterator[str]:
    """As text: a Path of each of a thousand files would take longer than to read them, at every start."""
    for name, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each != "__pycache__"]
        yield from (f"{name}/{file}" for file in files if os.path.splitext(file)[1] in SOURCES)

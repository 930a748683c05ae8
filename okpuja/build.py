"""Which code this process runs."""

import hashlib
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
    digest = hashlib.sha256()
    folders = [root / folder for folder in (*PACKAGES, "locale")]
    files = [path for folder in folders for path in folder.rglob("*") if path.suffix in SOURCES]
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]

"""Loaded first by the laboratory's own process: what its Django sees. (Under pytest: `tests.harness.environment`.)"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django

from tests.harness.processes import process_environment

folder = Path(tempfile.mkdtemp(prefix="okpuja-lab-"))
database = folder / "okpuja.sqlite3"
owner = os.getpid()


def clean() -> None:
    if os.getpid() == owner:  # the cases are forks of this process
        shutil.rmtree(folder, ignore_errors=True)


atexit.register(clean)
os.environ.update(process_environment(DATABASE_URL=f"sqlite:///{database}", CACHE_URL="locmem://lab"))
django.setup()

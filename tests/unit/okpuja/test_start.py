"""What every process loads at its start. What is only needed later is imported there."""

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.processes import process_environment

# Of the PDF, of Redis, of the diagnosis: a tenth to a quarter of a second each.
LATER = ("PIL", "fpdf", "fontTools", "uharfbuzz", "redis", "dns")
# The URLs load it, which workers and commands do not need.
ADMIN = ("payment.admin", "unfold.admin")
ENTRIES = {
    "okpuja.wsgi": (*LATER, *ADMIN),
    "okpuja.urls": LATER,
    "worker.management.commands.work": (*LATER, *ADMIN),
    "worker.management.commands.serve": (*LATER, *ADMIN),
}


@pytest.mark.slow
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_process_loads_what_it_may_never_need(entry):
    code = f"import django, importlib, sys; django.setup(); importlib.import_module({entry!r}); print(*sys.modules)"
    environment = process_environment() | {"DJANGO_SETTINGS_MODULE": "okpuja.settings"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "payment.models" in loaded
    assert set(ENTRIES[entry]).isdisjoint(loaded)

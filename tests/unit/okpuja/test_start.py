"""What every process loads at its start. What is only needed later is imported there."""

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.processes import process_environment

# Of the PDF and of Redis: a quarter and a tenth of a second.
LATER = ("PIL", "fpdf", "fontTools", "uharfbuzz", "redis")


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry", ["okpuja.wsgi", "worker.management.commands.work", "worker.management.commands.serve"]
)
def test_no_process_loads_what_it_may_never_need(entry):
    code = f"import django, importlib, sys; django.setup(); importlib.import_module({entry!r}); print(*sys.modules)"
    environment = process_environment() | {"DJANGO_SETTINGS_MODULE": "okpuja.settings"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "payment.services.receipts" in loaded or entry.endswith("serve")
    assert set(LATER).isdisjoint(loaded)

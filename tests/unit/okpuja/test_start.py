"""What every process loads at its start. What is only needed later is imported there."""

import re
import subprocess
import sys

import pytest
import requests

from tests.harness import ROOT
from tests.harness.forwarder import free_port, wait_until_listening
from tests.harness.processes import Process, process_environment

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
@pytest.mark.proof(every=4)
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_process_loads_what_it_may_never_need(entry):
    code = f"import django, importlib, sys; django.setup(); importlib.import_module({entry!r}); print(*sys.modules)"
    environment = process_environment() | {"DJANGO_SETTINGS_MODULE": "okpuja.settings"}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout.split()

    assert "payment.models" in loaded
    assert set(ENTRIES[entry]).isdisjoint(loaded)


@pytest.mark.slow
@pytest.mark.proof(every=4)
@pytest.mark.parametrize(
    "first", ["", "import accounts.admin;", "import payment.admin;", "import okpuja.urls;"]
)
def test_whoever_looks_at_the_admin_finds_all_of_it(first):
    code = f"""import django; django.setup(); {first}
from django.contrib import admin
from django.contrib.auth.models import Group
from booking.models import Slot
from payment.models import Payment
site = admin.site
assert site.is_registered(Slot) and site.is_registered(Payment) and not site.is_registered(Group)
print(type(site._registry[Slot]).__module__)"""
    environment = process_environment() | {"DJANGO_SETTINGS_MODULE": "okpuja.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("payment.admin", "")


@pytest.mark.slow
@pytest.mark.sockets
def test_gunicorn_starts_as_the_unit_of_systemd_starts_it():
    """Without DJANGO_SETTINGS_MODULE, which no unit and no image sets: okpuja.wsgi names the settings."""
    port = free_port()
    environment = process_environment()
    environment.pop("DJANGO_SETTINGS_MODULE")
    unit = (ROOT / "deploy/vps/systemd/okpuja-web@.service").read_text()
    arguments = re.search(r"(?m)^ExecStart=\S+/gunicorn (.+)$", unit)[1].split()
    server = Process(
        *("gunicorn", "-m", "gunicorn", *arguments), f"--bind=127.0.0.1:{port}", environment=environment
    )
    try:
        wait_until_listening(("127.0.0.1", port))
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=30).status_code == 200
    finally:
        server.ask_to_end()
        server.stop()

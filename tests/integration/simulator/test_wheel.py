"""The wheel `phonepe-simulator`: built, installed alone, started, and paid at over HTTP."""

import json
import os
import subprocess
from contextlib import contextmanager

import pytest
import requests

from tests.harness import ROOT
from tests.integration.simulator.packages import create_environment, pip, run
from tests.integration.simulator.test_sdks import PAGE, SDKS
from tests.unit.simulator.shop import V1Shop, V2Shop

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.proof,
]  # a minute of processor time, and the simulator changes seldom

DEPENDENCIES = {
    *("asgiref", "certifi", "charset-normalizer", "django", "idna", "requests", "sqlparse", "urllib3"),
    *("phonepe-simulator", "pip", "setuptools"),
}

ANOTHER_SITE = """
import django
from django.conf import settings
contrib = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]
around = ["sessions.middleware.Session", "auth.middleware.Authentication", "messages.middleware.Message"]
processors = ["template.context_processors.request", "contrib.auth.context_processors.auth"]
processors += ["contrib.messages.context_processors.messages"]
settings.configure(
    INSTALLED_APPS=[*contrib, "simulator"],
    MIDDLEWARE=[f"django.contrib.{name}Middleware" for name in around],
    ROOT_URLCONF="simulator.process_urls",
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [f"django.{name}" for name in processors]},
    }],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.contrib import admin
from django.core.management import call_command
from simulator.models import Order
call_command("check", "--fail-level", "WARNING")
call_command("makemigrations", "simulator", "--check", "--dry-run")
assert admin.site.is_registered(Order)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An environment with nothing in it but the wheel and what the wheel asks for."""
    folder = tmp_path_factory.mktemp("wheel")
    python = create_environment(folder / "venv")
    pip(python, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT / "simulator"))
    (wheel,) = folder.glob("*.whl")
    pip(python, "install", "--quiet", str(wheel))
    return python


@pytest.fixture(scope="module")
def address(python, tmp_path_factory):
    with started(python, tmp_path_factory.mktemp("run")) as (_, address):
        yield address


@contextmanager
def started(python, folder):
    """`phonepe-simulator` outside the repository, so that it finds only what the wheel has brought."""
    process = subprocess.Popen(
        [python.parent / "phonepe-simulator", "--port", "0", "--allow-host", "shop.example"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = (line.partition("ready on ")[2].strip() for line in process.stdout)
        yield process, next(filter(None, ready))
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def test_it_needs_django_and_requests_only(python):
    listed = json.loads(run(str(python), "-m", "pip", "list", "--format", "json"))
    assert {package["name"].lower() for package in listed} <= DEPENDENCIES


def test_another_site_may_install_it_as_an_app(python):
    """Its admin is Django's own, and no migration is missing."""
    run(str(python), "-c", ANOTHER_SITE)


def test_a_customer_pays_by_v2(address):
    shop = V2Shop(address)
    page = shop.pay("wheel-1").json()["redirectUrl"]
    assert "1,100.00" in requests.get(page, timeout=10).text
    assert requests.get(f"{address}/static/simulator/page.css", timeout=10).status_code == 200
    back = requests.post(page, data={"choice": "success"}, allow_redirects=False, timeout=10)
    assert (back.status_code, back.headers["Location"]) == (302, "http://shop.example/back")
    paid = shop.status("wheel-1").json()
    assert (paid["state"], paid["amount"]) == ("COMPLETED", 110_000)


def test_a_customer_pays_by_v1(address):
    shop = V1Shop(address)
    page = shop.pay("wheel-2").json()["data"]["instrumentResponse"]["redirectInfo"]["url"]
    requests.post(page, data={"choice": "success"}, allow_redirects=False, timeout=10)
    assert shop.status("wheel-2").json()["code"] == "PAYMENT_SUCCESS"


def test_its_overview_is_served(address):
    shown = requests.get(f"{address}/simulator/", timeout=10)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_phonepes_own_sdk_pays_there(python, python_sdk, tmp_path):
    with started(python, tmp_path) as (_, address):
        seen = json.loads(run(str(python_sdk), str(SDKS / "python_sdk.py"), address))
    assert seen["page"] == PAGE
    assert seen["refund"] == ["PENDING", "COMPLETED"]


def test_it_ends_with_zero_at_sigterm(python, tmp_path):
    with started(python, tmp_path) as (process, _):
        process.terminate()
        assert process.wait(timeout=60) == 0

"""The settings are read by a process of their own, as they are in an installation."""

import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from okpuja.environment import BOUNDS, number
from tests.harness import ROOT

pytestmark = pytest.mark.slow  # starts processes
# One process for each case, and the same few readers, which tests/unit/okpuja/test_environment.py plays in full.
in_sample = pytest.mark.proof(every=20)

SEED = {
    "PHONEPE_ENV": "UAT",
    "PHONEPE_MERCHANT_ID": "PGTESTPAYUAT86",
    "PHONEPE_MERCHANT_KEY": "96434309-7796-489d-8924-ab56988a6076",
    "PHONEPE_SALT_INDEX": "1",
    "PHONEPE_BASE_URL": "https://api-preprod.phonepe.com/apis/hermes",
}


def start(code: str = "check", **environment: str) -> subprocess.CompletedProcess:
    """`manage.py check`, or `code` in a Django that is set up, with nothing but this environment."""
    command = [sys.executable, "manage.py", "check"]
    if code != "check":
        command = [sys.executable, "-c", f"import django; django.setup(); {code}"]
    clean = {"PATH": os.environ["PATH"], "DOTENV_FILE": "", "SECRET_KEY": "x" * 50}
    clean["DJANGO_SETTINGS_MODULE"] = "okpuja.settings"
    return subprocess.run(
        command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False
    )


@in_sample
@pytest.mark.parametrize("simulates", ["True", "False"])
@pytest.mark.parametrize("url", ["http://[bad", "https://[bad"])
def test_an_address_of_phonepe_that_is_none_ends_with_a_sentence(url, simulates):
    keys = {"PHONEPE_MERCHANT_ID": "OURS", "PHONEPE_SALT_KEY": "a-salt-key"}
    run = start(PHONEPE_BASE_URL=url, PHONEPE_SIMULATION_MODE=simulates, **keys)
    assert run.returncode != 0 or simulates == "True"
    assert "Invalid IPv6" not in run.stderr
    assert "Traceback" not in run.stderr


def test_the_environment_that_the_first_installation_has_starts_as_it_is():
    assert start(**SEED).returncode == 0
    assert start("", **SEED, PHONEPE_SIMULATION_MODE="True").returncode == 0


def test_the_key_of_the_first_installation_goes_by_its_old_name_too():
    said = start("from payment.phonepe import credentials; print(credentials.current().salt_keys)", **SEED)

    assert "96434309" in said.stdout


def test_opening_hours_in_which_nothing_can_be_booked_are_refused():
    said = start(**SEED, OPENING_HOUR="21", CLOSING_HOUR="6")

    assert said.returncode != 0
    assert "OPENING_HOUR (21) is later than CLOSING_HOUR (6)" in said.stderr


@pytest.mark.proof(every=2)
@pytest.mark.parametrize("name", ["PHONEPE_BASE_URL", "PHONEPE_FALLBACK_BASE_URLS"])
def test_a_page_host_is_a_warning_and_no_reason_to_stop(name):
    said = start(**SEED | {name: "https://mercury-t2.phonepe.com/apis/hermes"})

    assert said.returncode == 0
    assert "mercury-t2.phonepe.com" in said.stderr


def test_without_a_secret_key_nothing_starts():
    said = start(SECRET_KEY="")

    assert said.returncode != 0
    assert "SECRET_KEY is not set" in said.stderr


@in_sample
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "yes"),
        ("PHONEPE_SIMULATION_MODE", "on"),
        ("PHONEPE_ENV", "PROD"),
        ("PHONEPE_DEADLINE", "ten"),
        ("PHONEPE_DEADLINE", "296"),
        ("PHONEPE_EXPIRE_AFTER", "299"),
        ("PHONEPE_EXPIRE_AFTER", "3601"),
    ]
    + [("PHONEPE_DEADLINE", "0"), ("CACHE_URL", "memory"), ("PHONEPE_PREVIOUS", "{")]
    + [("DIAGNOSIS_CONTROL_URLS", "control.example"), ("DIAGNOSIS_NAME_SERVERS", "dns.example:53")]
    + [("DIAGNOSIS_TRUSTED_NETWORKS", "10.0.0.0/40"), ("CACHE_URL", "redis://cache.example:99999")]
    + [("PUBLIC_BASE_URL", "http://shop.example:99999"), ("FRONTEND_BASE_URL", "shop.example")]
    + [("STAFF_WEBHOOK_URL", "chat.example/key"), ("DEAD_MAN_URL", "ftp://alarm.example")]
    + [("EMAIL_URL", "smtp://mail.example:smtp"), ("TIME_ZONE", "Mars"), ("LOG_LEVEL", "loud")]
    + [("LOGIN_RATE", "often"), ("DIAGNOSIS_RATE", "20"), ("OPENING_HOUR", "24"), ("CLOSING_HOUR", "99")],
)
def test_a_setting_that_cannot_be_meant_is_named(name, value):
    said = start(**{name: value})

    assert said.returncode != 0
    assert f"What to do: {name}" in said.stderr


@in_sample
@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("PHONEPE_SALT_INDEX", "the-salt-key-itself", "the-salt-key-itself"),
        ("EMAIL_URL", "smtp://shop:tiger/paw@mail.example", "tiger"),
        ("PHONEPE_BASE_URL", "https://shop:tiger/paw@mercury.phonepe.com", "tiger"),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_told(name, value, secret):
    said = start(**{name: value}, PHONEPE_ENV="PRODUCTION")

    assert said.returncode != 0
    assert secret not in said.stdout + said.stderr


def test_simulation_never_starts_in_production():
    said = start(PHONEPE_ENV="PRODUCTION", PHONEPE_SIMULATION_MODE="True")

    assert said.returncode != 0
    assert "PHONEPE_SIMULATION_MODE is on" in said.stderr


def test_every_variable_stands_in_the_example():
    kinds = "text|secret|credential|former_credentials|boolean|number|words|choice|address|rate|time_zone"
    readers = rf'(?:{kinds})\(\s*"([A-Z_]+)"'
    read = set(re.findall(readers, (ROOT / "okpuja/settings.py").read_text()))
    shown = set(re.findall(r"(?m)^([A-Z_]+)=", (ROOT / ".env.example").read_text()))

    assert read - shown == {"TEST_DATABASE_NAME", "PHONEPE_MERCHANT_KEY"}  # for tests only; an old name


@in_sample
@pytest.mark.parametrize("table", ["48", "48:100,24", "x:50", "48:101", "9999:100"])
def test_a_table_of_cancellations_that_cannot_be_read_is_refused_by_name(table):
    refused = start(REFUND_POLICY=table)

    assert refused.returncode != 0
    assert "REFUND_POLICY" in refused.stderr


@pytest.mark.proof(every=3)
@pytest.mark.parametrize("name", ["REFUND_FULL_HOURS", "REFUND_EXPECTED_DAYS", "OFFER_HOURS"])
def test_a_span_that_ends_beyond_all_calendars_is_refused_before_it_stops_a_payment(name):
    refused = start(**{name: "9" * 12})

    assert refused.returncode != 0
    assert name in refused.stderr


def test_the_table_of_cancellations_may_be_written_in_any_order():
    said = start(
        "from django.conf import settings; print(settings.REFUND_POLICY)", REFUND_POLICY="0:0,24:50,48:100"
    )

    assert said.stdout.strip() == "[(48, 100), (24, 50), (0, 0)]"


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_every_number_has_a_least_and_a_greatest_value(name, monkeypatch):
    """`BOUNDS` is filled while the settings are read: a new number is in it."""
    least, most = BOUNDS[name]
    assert least <= most <= 10_000_000
    for value, is_allowed in ((least, True), (most, True), (most + 1, False), (least - 1, False)):
        monkeypatch.setenv(name, str(value))
        if is_allowed:
            assert number(name, least, at_least=least, at_most=most) == value
            continue
        with pytest.raises(ImproperlyConfigured, match=name):
            number(name, least, at_least=least, at_most=most)


def test_all_numbers_of_the_example_are_bounded():
    shown = re.findall(r"(?m)^([A-Z_]+)=\d+$", (ROOT / ".env.example").read_text())
    assert set(shown) - BOUNDS.keys() == set()


def test_what_a_process_writes_is_its_own(tmp_path):
    said = start(f"from pathlib import Path; Path({str(tmp_path / 'new')!r}).touch()")
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_in_production_no_origin_is_trusted_by_default():
    code = "from okpuja import settings; print(settings.CORS_ALLOWED_ORIGINS)"
    clean = {
        "PHONEPE_ENV": "PRODUCTION",
        "SECRET_KEY": "x" * 50,
        "DOTENV_FILE": "",
        "PATH": os.environ["PATH"],
    }
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=clean, capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == "[]"

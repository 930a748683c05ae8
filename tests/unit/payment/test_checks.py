import os
import re
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from payment import checks
from tests.harness import ROOT
from tests.harness.certificates import Authority

SAFE = {
    "DEBUG": False,
    "SECRET_KEY": "Zq8vY2kLw5Xn0RtB7mHcJ3uPfD6sGaE9",
    "PUBLIC_BASE_URL": "https://pay.example",
    "PHONEPE_ENV": "PRODUCTION",
    "PHONEPE_SIMULATION_MODE": False,
    "PHONEPE_MERCHANT_ID": "MERCHANTOKPUJA",
    "PHONEPE_CLIENT_ID": "SU123",
    "PHONEPE_CLIENT_SECRET": "a-secret",
    "PHONEPE_WEBHOOK_USERNAME": "our_hook",
    "PHONEPE_WEBHOOK_PASSWORD": "hook-pass-1",
    "PHONEPE_SSL_VERIFY": True,
    "PAYMENT_TIME_SCALE": 1,
    "OPS_TOKEN": "a-long-random-text",
    "EMAIL_URL": "smtp+tls://us:secret@mail.example:587",
    "NUM_PROXIES": 1,
    "ALLOWED_HOSTS": ["pay.example", ".pay.example"],
    "CORS_ALLOWED_ORIGINS": ["https://www.pay.example"],
    "FRONTEND_BASE_URL": "https://www.pay.example",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "DEMO_PASSWORD": "",
}
RATES = {"login": "10/min", "register": "20/hour", "guest_payment": "6/min"}
DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": "okpuja", "HOST": "db.example", "PASSWORD": ""}


@pytest.fixture
def production(settings, monkeypatch):
    for name, value in SAFE.items():
        setattr(settings, name, value)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": RATES}
    monkeypatch.setitem(django_settings.DATABASES, "default", {**DATABASE, "PASSWORD": "of the database"})
    return settings


def ids(messages):
    return [message.id for message in messages]


def test_a_safe_production_starts_without_a_word(production):
    checks.refuse_unsafe()
    assert checks.production(None) == checks.addresses(None) == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("PHONEPE_SIMULATION_MODE", True, "E001"),
        ("DEBUG", True, "E002"),
        ("PHONEPE_WEBHOOK_PASSWORD", "", "E003"),
        ("PHONEPE_CLIENT_SECRET", "", "E004"),
        ("PHONEPE_SSL_VERIFY", False, "E005"),
        ("PUBLIC_BASE_URL", "http://pay.example", "E006"),
        ("SECRET_KEY", "short", "E007"),
        ("SECRET_KEY", "insecure-and-for-debug-only-" + "x" * 32, "E007"),
        ("SECRET_KEY", "ab" * 40, "E007"),
        ("PAYMENT_TIME_SCALE", 60, "E008"),
        ("SECRET_KEY_FALLBACKS", ["short"], "E007"),
        ("OPS_TOKEN", "a", "E011"),
        ("OPS_TOKEN", "aaaaaaaaaaaaaaaaaaaaaaaa", "E011"),
        ("OPS_TOKEN", "Password-1234567", "E011"),
        ("OPS_TOKEN", "okpuja-ops-token-2026", "E011"),
        ("OPS_TOKEN", "OkPuja-Production-2026", "E011"),
        ("PHONEPE_WEBHOOK_PASSWORD", "OkpujaLive2026", "E012"),
        ("PHONEPE_WEBHOOK_PASSWORD", "a", "E012"),
        ("PHONEPE_WEBHOOK_PASSWORD", "password1", "E012"),
        ("PHONEPE_WEBHOOK_PASSWORD", "Sim-pass-9", "E012"),
        ("PHONEPE_WEBHOOK_SECRET", "a", "E012"),
        ("PHONEPE_PREVIOUS", [{"client_id": "SU1", "client_secret": "s", "webhook_secret": "a"}], "E012"),
        ("OPS_TOKEN", SAFE["SECRET_KEY"], "E014"),
        ("PHONEPE_WEBHOOK_SECRET", SAFE["OPS_TOKEN"], "E014"),
        ("ALLOWED_HOSTS", ["*"], "E015"),
        ("ALLOWED_HOSTS", [".com"], "E015"),
        ("CORS_ALLOWED_ORIGINS", ["http://localhost:3000"], "E016"),
        ("CORS_ALLOWED_ORIGINS", ["https://127.0.0.1:3000"], "E016"),
        ("CORS_ALLOWED_ORIGINS", ["http://www.pay.example"], "E016"),
        ("CSRF_TRUSTED_ORIGINS", ["https://*.pay.example"], "E016"),
        ("CORS_ALLOW_ALL_ORIGINS", True, "E016"),
        ("PHONEPE_BASE_URL", "https://api.phonepe.com.evil.example/apis/pg", "E017"),
        ("PHONEPE_BASE_URL", "https://evilphonepe.com/apis/pg", "E017"),
        (
            "PHONEPE_FALLBACK_BASE_URLS",
            ["https://api.phonepe.com/apis/pg|auth=https://evil.example/"],
            "E017",
        ),
        ("PHONEPE_FALLBACK_BASE_URLS", ["https://evil.example/apis/pg"], "E017"),
        ("PHONEPE_CLIENT_ID", "", "E018"),
        ("EMAIL_URL", "smtp://us:secret@mail.example:25", "E019"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {"login": "9999/s"}}, "E020"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {"login": "86400/day"}}, "E020"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {"register": "3600/hour"}}, "E020"),
        ("REST_FRAMEWORK", {"DEFAULT_THROTTLE_RATES": {"a new one": None}}, "E020"),
        ("FRONTEND_BASE_URL", "http://www.pay.example", "E021"),
        ("FRONTENDS", ["http://www.pay.example|waiting=/soon"], "E021"),
        ("SESSION_COOKIE_SECURE", False, "E022"),
        ("PHONEPE_FALLBACK_BASE_URLS", ["https://api-preprod.phonepe.com/apis/pg-sandbox"], "E009"),
        ("PHONEPE_BASE_URL", "http://127.0.0.1:9000/apis/pg", "E009"),
    ],
)
def test_what_loses_money_or_leaks_is_refused_at_start(production, name, value, problem):
    setattr(production, name, value)
    with pytest.raises(ImproperlyConfigured, match=f"payment.{problem}"):
        checks.refuse_unsafe()
    found = ids([*checks.production(None), *checks.addresses(None)])
    assert any(re.fullmatch(f"payment.{problem}", each) for each in found)


def test_each_rule_has_a_name_of_its_own():
    known = [problem.id for _, problem in (*checks.DANGEROUS, *checks.UNWISE)]
    assert len(set(known)) == len(known)


def test_a_secret_for_alerts_that_can_be_guessed_is_refused(production):
    production.STAFF_WEBHOOK_URL, production.STAFF_WEBHOOK_SECRET = "https://chat.example/x", "a"
    with pytest.raises(ImproperlyConfigured, match=r"payment\.E013"):
        checks.refuse_unsafe()


def test_without_taking_payments_no_credentials_are_needed(production):
    production.PHONEPE_CLIENT_ID, production.PAYMENT_ENABLED = "", False
    checks.refuse_unsafe()


@pytest.mark.parametrize("scope", sorted(django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]))
def test_an_absurd_rate_of_any_throttle_is_refused(production, scope):
    rates = django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {scope: "1000000/s"}
    production.REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": rates}
    with pytest.raises(ImproperlyConfigured, match=r"payment\.E020"):
        checks.refuse_unsafe()


def test_published_keys_of_the_simulator_are_for_this_machine_only(production):
    production.PHONEPE_ENV, production.PHONEPE_SIMULATION_MODE = "UAT", True
    production.SIMULATOR_PUBLISHED_KEYS = True
    with pytest.raises(ImproperlyConfigured, match=r"payment\.E023"):
        checks.refuse_unsafe()
    production.PUBLIC_BASE_URL = "http://127.0.0.1:8000"
    checks.refuse_unsafe()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["payment.W013"]),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:8000"}, []),
        ({"PUBLIC_BASE_URL": "http://127.0.0.1:9000"}, []),
        ({"PHONEPE_BASE_URL": ""}, []),
        ({"PHONEPE_SIMULATION_MODE": False}, []),
        ({"SIMULATOR_PUBLISHED_KEYS": True}, []),
    ],
)
def test_a_simulator_at_this_machine_that_may_be_our_own_is_a_warning(production, changes, expected):
    """Behind a public name nobody can tell whether it is a process of its own, which has the published keys."""
    production.PHONEPE_ENV, production.PHONEPE_SIMULATION_MODE = "UAT", True
    production.PHONEPE_BASE_URL = "http://localhost:8000/simulator/apis/pg-sandbox"
    production.SIMULATOR_PUBLISHED_KEYS = False
    for name, value in changes.items():
        setattr(production, name, value)
    found = checks.addresses(None)

    assert [each for each in ids(found) if each == "payment.W013"] == expected
    assert all("SIMULATOR_PUBLISHED_KEYS" in each.hint for each in found if each.id == "payment.W013")


def test_a_simulation_that_others_reach_is_a_warning(production):
    production.PHONEPE_ENV, production.PHONEPE_SIMULATION_MODE = "UAT", True
    production.SIMULATOR_PUBLISHED_KEYS = False
    checks.refuse_unsafe()
    assert "payment.W007" in ids(checks.production(None))


def test_files_that_others_may_read_are_a_warning(production, tmp_path):
    file = tmp_path / ".env"
    file.touch()
    production.DOTENV_FILE = str(file)
    for mode, expected in ((0o600, []), (0o640, ["payment.W011"]), (0o604, ["payment.W011"])):
        file.chmod(mode)
        assert ids(checks.production(None)) == expected


def test_every_reason_is_named_at_once(production):
    production.DEBUG, production.PHONEPE_SSL_VERIFY = True, False
    with pytest.raises(ImproperlyConfigured) as caught:
        checks.refuse_unsafe()
    assert "E002" in str(caught.value)
    assert "E005" in str(caught.value)


def test_an_hmac_secret_is_proof_enough(production):
    production.PHONEPE_WEBHOOK_PASSWORD, production.PHONEPE_WEBHOOK_SECRET = "", "whsec-Zq8vY2kLw5Xn0RtB"
    checks.refuse_unsafe()


def test_v1_callbacks_need_no_login_of_their_own(production):
    production.PHONEPE_CLIENT_ID = production.PHONEPE_WEBHOOK_PASSWORD = ""
    production.PHONEPE_MERCHANT_ID, production.PHONEPE_SALT_KEY = "M2OURS", "our-salt"
    checks.refuse_unsafe()


def test_uat_starts_and_is_told_what_production_would_refuse(production):
    production.PHONEPE_ENV, production.DEBUG, production.PUBLIC_BASE_URL = (
        "UAT",
        True,
        "http://127.0.0.1:8000",
    )
    checks.refuse_unsafe()
    found = checks.production(None)
    assert ids(found) == ["payment.E002", "payment.E006"]
    assert not any(message.is_serious() for message in found)


def test_mixed_environments_are_refused_in_uat_too(production):
    production.PHONEPE_ENV = "UAT"
    production.PHONEPE_FALLBACK_BASE_URLS = ["https://api.phonepe.com/apis/pg"]
    with pytest.raises(ImproperlyConfigured, match="E009"):
        checks.refuse_unsafe()


@pytest.mark.parametrize("name", ["PHONEPE_CA_BUNDLE", "DIAGNOSIS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, "", "not a certificate"], ids=["missing", "empty", "nonsense"])
def test_a_file_of_whom_to_trust_that_cannot_be_read_is_named_in_uat_too(production, tmp_path, name, content):
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    production.PHONEPE_ENV = "UAT"
    setattr(production, name, str(file))
    with pytest.raises(ImproperlyConfigured, match=rf"payment\.E010: {name}: .*{re.escape(str(file))}"):
        checks.refuse_unsafe()
    assert ids(checks.addresses(None)) == ["payment.E010"]


def test_a_file_of_certificates_may_be_trusted(production, tmp_path):
    production.PHONEPE_CA_BUNDLE = production.DIAGNOSIS_CA_BUNDLE = str(Authority(tmp_path).bundle)
    checks.refuse_unsafe()
    assert checks.addresses(None) == []


@pytest.mark.parametrize(
    ("name", "value", "warning"),
    [
        ("OPS_TOKEN", "", "payment.W002"),
        ("PHONEPE_MERCHANT_ID", "", "payment.W021"),
        ("CACHE_URL", "redis://cache.example:6379/0", "payment.W008"),
        ("DEAD_MAN_URL", "http://alarm.example/x", "payment.W009"),
        ("STAFF_WEBHOOK_URL", "https://chat.example/x", "payment.W012"),
        ("FRONTENDS", ["https://www.pay.example", "https://other.example|waiting=/soon"], "payment.W020"),
        ("LOGGING", {"root": {"level": "DEBUG"}}, "payment.W010"),
        ("EMAIL_URL", "file:///srv/okpuja/mail", "payment.W005"),
        ("NUM_PROXIES", 0, "payment.W006"),
        ("PHONEPE_FALLBACK_BASE_URLS", ["https://mercury-t2.phonepe.com/apis/hermes"], "payment.W001"),
        ("PHONEPE_BASE_URL", "https://mercury-t2.phonepe.com/apis/hermes", "payment.W001"),
        ("PHONEPE_BASE_URL", "https://api.phonepe.com/apis/hermes", "payment.W004"),
    ],
)
def test_what_is_only_unwise_is_a_warning(production, name, value, warning):
    setattr(production, name, value)
    checks.refuse_unsafe()
    assert ids([*checks.production(None), *checks.addresses(None)]) == [warning]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["payment.W008"]),
        ({"HOST": "127.0.0.1"}, []),
        ({"HOST": "/run/postgresql"}, []),
        ({"OPTIONS": {"sslcert": "client.pem"}}, []),
    ],
)
def test_a_database_in_the_network_without_a_password_is_a_warning(
    production, monkeypatch, changes, expected
):
    monkeypatch.setitem(django_settings.DATABASES, "default", DATABASE | changes)
    assert ids(checks.production(None)) == expected


def test_v1_on_the_path_of_v2_is_a_warning(production):
    production.PHONEPE_CLIENT_ID, production.PHONEPE_BASE_URL = "", "https://api.phonepe.com/apis/pg"
    production.PHONEPE_MERCHANT_ID, production.PHONEPE_SALT_KEY = "M2OURS", "our-salt"
    assert ids(checks.addresses(None)) == ["payment.W004"]


def start(**environment):
    """A management command in a process of its own, as a deployment runs it; it touches no database."""
    command = [sys.executable, "manage.py", "check"]
    environment = {
        "PATH": os.environ["PATH"],
        "DOTENV_FILE": "",
        "SECRET_KEY": SAFE["SECRET_KEY"],
        **environment,
    }
    environment.setdefault("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_command_in_an_unsafe_production_ends_with_the_reasons():
    run = start(PHONEPE_ENV="PRODUCTION", PHONEPE_SIMULATION_MODE="True")
    assert run.returncode != 0
    assert "payment.E001: PHONEPE_SIMULATION_MODE is on" in run.stderr
    assert "payment.E006" in run.stderr


@pytest.mark.slow
def test_a_first_start_with_the_sandbox_address_and_simulation_succeeds():
    run = start(
        PHONEPE_ENV="UAT",
        PHONEPE_SIMULATION_MODE="True",
        PHONEPE_BASE_URL="https://api-preprod.phonepe.com/apis/hermes",
        PHONEPE_MERCHANT_ID="PGTESTPAYUAT",
        PHONEPE_MERCHANT_KEY="099eb0cd-02cf-4e2a-8aca-3e6c6aff0399",
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "address",
    [
        "https://api.phonepe.com/apis/pgs",
        "https://api.phonepe.com/apis/pg/checkout",
        "https://api.phonepe.com",
        "https://API.phonepe.com/apis/PG",
    ],
)
def test_an_address_that_phonepe_does_not_document_is_a_warning_that_names_the_documented_one(
    production, address
):
    production.PHONEPE_BASE_URL = address
    production.PHONEPE_AUTH_BASE_URL = "https://api.phonepe.com/apis/identity-manager"
    [warning] = checks.addresses(None)
    assert warning.id == "payment.W014"
    assert "https://api.phonepe.com/apis/pg" in warning.msg


def test_the_misprint_of_the_sandbox_address_is_told_before_anything_is_sent(production):
    production.PHONEPE_ENV, production.PHONEPE_BASE_URL = (
        "UAT",
        "https://api-preprod.phonepe.com/apis/pgsandbox",
    )
    [warning] = checks.addresses(None)
    assert warning.id == "payment.W014"
    assert "https://api-preprod.phonepe.com/apis/pg-sandbox" in warning.msg


@pytest.mark.parametrize("base", ["", "https://api-preprod.phonepe.com/apis/pg-sandbox/"])
def test_a_documented_address_is_no_warning(production, base):
    production.PHONEPE_ENV, production.PHONEPE_BASE_URL = "UAT", base
    assert checks.addresses(None) == []

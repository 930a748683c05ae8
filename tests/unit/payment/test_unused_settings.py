import os

import pytest

from payment.unused_settings import PREFIX, PROXIES, setting_warnings, unused_settings
from tests.unit.diagnostics.reports import report_json

HERE = "http://user:pass-word@10.0.0.7:3128"


@pytest.fixture
def real(settings, monkeypatch):
    """Real payments by V2, and an environment in which nothing else is set."""
    for name in list(os.environ):
        if name.upper() in {*PROXIES, "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} or name.startswith(
            ("SSL_CERT_", PREFIX)
        ):
            monkeypatch.delenv(name)
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_ENV, settings.PHONEPE_API_VERSION = "UAT", "auto"
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "CLIENTOKPUJA", "a-client-secret"
    settings.PHONEPE_MERCHANT_ID = settings.PHONEPE_SALT_KEY = ""
    settings.PHONEPE_BASE_URL = settings.PHONEPE_AUTH_BASE_URL = settings.PHONEPE_PROXY_URL = ""
    settings.PHONEPE_FALLBACK_BASE_URLS = []
    settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD = "hook", "Webhook-pass-9"
    settings.PHONEPE_CA_BUNDLE = settings.STAFF_WEBHOOK_SECRET = settings.STAFF_WEBHOOK_URL = ""
    return settings


def found():
    return [f"{problem.text}. {problem.remedy}" for problem in unused_settings()]


def test_ordinary_settings_are_all_used(real):
    assert found() == []


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_of_the_environment_is_not_used_by_payments(real, monkeypatch, name):
    monkeypatch.setenv(name, HERE)
    [warning] = found()
    assert warning.startswith(f"{name} is set in the environment")
    assert "PHONEPE_PROXY_URL" in warning
    assert "pass-word" not in warning
    real.PHONEPE_PROXY_URL = "http://10.0.0.7:3128"
    assert found() == []


def test_no_proxy_does_not_exempt_phonepe_from_our_proxy(real, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "api.phonepe.com")
    assert found() == []
    real.PHONEPE_FALLBACK_BASE_URLS = [
        "https://api-preprod.phonepe.com/apis/pg-sandbox|proxy=http://10.0.0.7:3128"
    ]
    [warning] = found()
    assert "NO_PROXY is set" in warning


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_of_the_environment_are_not_trusted_by_payments(real, monkeypatch, name):
    monkeypatch.setenv(name, "/etc/ssl/company.pem")
    [warning] = found()
    assert name in warning
    assert "PHONEPE_CA_BUNDLE" in warning
    real.PHONEPE_CA_BUNDLE = "/etc/ssl/company.pem"
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"PHONEPE_AUTH_BASE_URL": "https://api.phonepe.com/apis/identity-manager"}, "PHONEPE_BASE_URL"),
        ({"PHONEPE_CLIENT_ID": ""}, "PHONEPE_CLIENT_ID"),
        ({"PHONEPE_SALT_KEY": "a-salt-key"}, "PHONEPE_MERCHANT_ID"),
        (
            {"PHONEPE_CLIENT_ID": "", "PHONEPE_CLIENT_SECRET": "", "PHONEPE_MERCHANT_ID": "M1"},
            "PHONEPE_SALT_KEY",
        ),
        ({"PHONEPE_API_VERSION": "v1"}, "PHONEPE_API_VERSION"),
        ({"PHONEPE_WEBHOOK_PASSWORD": ""}, "PHONEPE_WEBHOOK_PASSWORD"),
        ({"PHONEPE_WEBHOOK_USERNAME": ""}, "PHONEPE_WEBHOOK_USERNAME"),
        ({"PHONEPE_CA_BUNDLE": "/etc/ssl/company.pem", "PHONEPE_SSL_VERIFY": False}, "PHONEPE_SSL_VERIFY"),
        ({"STAFF_WEBHOOK_SECRET": "a-secret"}, "STAFF_WEBHOOK_URL"),
    ],
)
def test_a_setting_without_the_one_it_needs_is_named_with_that(real, changes, needed):
    for name, value in changes.items():
        setattr(real, name, value)
    [warning] = found()
    assert needed in warning
    assert "not used" in warning


def test_a_misspelt_name_is_told_with_the_one_that_is_meant(real, monkeypatch):
    monkeypatch.setenv("PHONEPE_BASEURL", "https://api.phonepe.com/apis/pg")
    [warning] = found()
    assert "PHONEPE_BASEURL" in warning
    assert "Is PHONEPE_BASE_URL meant?" in warning


def test_a_simulation_needs_neither_proxy_nor_credentials(real, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", HERE)
    real.PHONEPE_SIMULATION_MODE = True
    assert found() == []


def test_production_is_warned_as_by_check_deploy(real):
    real.PHONEPE_ENV, real.OPS_TOKEN = "PRODUCTION", ""
    assert "payment.W002" in {warning.id for warning in setting_warnings()}
    real.PHONEPE_ENV = "UAT"
    assert "payment.W002" not in {warning.id for warning in setting_warnings()}


@pytest.mark.django_db(transaction=True)
@pytest.mark.sockets
def test_the_diagnosis_says_what_check_warns_of(real, monkeypatch):
    real.PHONEPE_SIMULATION_MODE = True
    monkeypatch.setenv("PHONEPE_BASEURL", "https://user:pass-word@api.phonepe.com")
    report = report_json()
    assert [warning["id"] for warning in report["warnings"]] == ["payment.W017"]
    assert "pass-word" not in str(report)

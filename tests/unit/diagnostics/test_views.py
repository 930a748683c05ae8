import json

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import OperationalError, connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from rest_framework_simplejwt.tokens import AccessToken

from diagnostics.deadlines import result_cache
from diagnostics.views import DiagnosisThrottle
from tests.harness import builders
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port

URL = "/api/payments/payments/debug-connectivity/"
pytestmark = pytest.mark.django_db(transaction=True)

SHORT = {"success", "verdict", "culprit", "summary", "checked_at", "endpoints"}
FULL = SHORT | {
    *(
        "next_action",
        "troubleshooting",
        "also",
        "controls",
        "checks",
        "dependencies",
        "server",
        "config",
        "took_ms",
    ),
    *("support_message", "changed_since_last_ok", "history", "unknown_codes", "warnings"),
}
OPS = {"X-Ops-Token": "tests-only-ops-token"}
SECRETS = {
    "PHONEPE_SALT_KEY": "a-salt-key-that-nobody-may-see",
    "PHONEPE_CLIENT_SECRET": "a-client-secret-that-nobody-may-see",
    "PHONEPE_WEBHOOK_PASSWORD": "Webhook-pass-word-9",
    "PHONEPE_WEBHOOK_SECRET": "a-webhook-secret-that-nobody-may-see",
    "OPS_TOKEN": "tests-only-ops-token",
}


@pytest.fixture(autouse=True)
def nothing_remembered():
    result_cache.own.clear()


@pytest.fixture
def anyone():
    return Client()


@pytest.fixture
def operator():
    return Client(headers=OPS)


@pytest.fixture
def installation(settings):
    """Talks to a PhonePe on loopback; every secret is set, and a proxy with a login."""
    for name, value in SECRETS.items():
        setattr(settings, name, value)
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = "v1"
    settings.PHONEPE_MAX_RETRIES = 0
    settings.PHONEPE_MERCHANT_ID = "MERCHANTOKPUJA"
    settings.PHONEPE_WEBHOOK_USERNAME = "webhook-user-name"
    settings.PHONEPE_PROXY_URL = f"http://proxy-user:proxy-pass-word@127.0.0.1:{refusing_port()}"
    with FakePhonePe() as server:
        settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{server.port}/apis/pg-sandbox"
        settings.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{server.port}"]
        yield server


def test_everyone_gets_the_short_diagnosis(anyone, installation):
    answer = anyone.get(URL)
    assert answer.status_code == 200
    assert set(answer.json()) == SHORT
    assert answer.json()["verdict"] == "ok"


def test_anyone_learns_no_address_no_id_and_no_error(anyone, installation, settings):
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"
    answer = anyone.get(URL)
    assert answer.json()["verdict"] == "connection_refused"
    for inside in ("127.0.0.1", "MERCHANT", "ME…JA", "Errno", "Error", "DATABASE"):
        assert inside not in answer.content.decode()


def test_the_ops_token_opens_everything(operator, installation):
    assert set(operator.get(URL).json()) == FULL


@pytest.mark.parametrize("offered", ["", "wrong", "tests-only-ops-toke", "tëst"])
def test_a_wrong_ops_token_gets_the_short_diagnosis(installation, offered):
    assert set(Client(headers={"X-Ops-Token": offered}).get(URL).json()) == SHORT


def test_an_empty_ops_token_matches_nothing(settings, anyone):
    settings.OPS_TOKEN = ""
    assert set(Client(headers={"X-Ops-Token": ""}).get(URL).json()) == SHORT


def test_staff_see_everything_with_the_right_to_and_run_it_with_the_right_to_that(api, installation):
    clerk = builders.make_user(is_staff=True)
    seen = []
    for right in (None, "view_diagnosisrun", "add_diagnosisrun"):
        clerk.user_permissions.set(Permission.objects.filter(codename=right))
        seen.append(
            (
                len(api(clerk).get(URL).json()) == len(FULL),
                api(clerk).post(URL, {"test_payment": True}).status_code,
            )
        )

    assert seen == [(False, 403), (True, 403), (False, 200)]


def test_staff_see_everything_and_customers_do_not(api, staff, alice):
    assert set(api(staff).get(URL).json()) == FULL
    assert set(api(alice).get(URL).json()) == SHORT


def test_an_expired_login_still_gets_the_short_diagnosis():
    answer = Client(headers={"Authorization": "Bearer long.since.over"}).get(URL)
    assert (answer.status_code, set(answer.json())) == (200, SHORT)


def test_the_full_answer_contains_no_secret(operator, installation, settings):
    direct = operator.get(URL).content.decode()
    cache.clear()
    settings.PHONEPE_BASE_URL = "https://api-preprod.phonepe.com/apis/pg-sandbox"  # by way of the proxy
    proxied = operator.get(URL).content.decode()
    assert "proxy_failure" in proxied
    for secret in (*SECRETS.values(), settings.SECRET_KEY, "proxy-pass-word", "proxy-user"):
        assert secret not in direct + proxied


def test_ids_are_masked_and_secrets_only_shown_as_set(operator, installation, settings):
    config = operator.get(URL).json()["config"]
    assert config["merchant_id"] == "ME…JA"
    assert config["webhook_username"] == "we…me"
    assert config["salt_key"] == config["webhook_password"] == "set"
    assert config["client_id"] == "not set"


def test_the_full_answer_contains_a_support_message(operator, installation, settings):
    port = refusing_port()
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{port}/apis/pg-sandbox"
    message = operator.get(URL).json()["support_message"]
    assert set(message) == {"to", "subject", "body"}
    assert f"127.0.0.1:{port}" in message["body"]
    assert "[Errno 111] Connection refused" in message["body"]
    assert "UTC" in message["body"]
    assert "IST" in message["body"]


@pytest.mark.parametrize("strict", ["1", "true", "True"])
def test_strict_answers_503_unless_all_is_well(anyone, installation, settings, strict):
    assert anyone.get(URL, {"strict": strict}).status_code == 200
    cache.clear()
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}"
    assert anyone.get(URL, {"strict": strict}).status_code == 503
    assert anyone.get(URL).status_code == 200


def test_strict_answers_200_in_simulation(anyone):
    answer = anyone.get(URL, {"strict": "1"})
    assert (answer.status_code, answer.json()["verdict"]) == (200, "simulated")


def test_nobody_can_aim_it_at_another_host(operator, installation):
    with FakePhonePe() as victim:
        operator.get(
            URL, {"host": "127.0.0.1", "port": victim.port, "url": f"http://127.0.0.1:{victim.port}"}
        )
    assert victim.asked == []


def test_many_calls_share_one_diagnosis(anyone, operator, installation):
    for client in (anyone, operator, anyone):
        client.get(URL)
    assert (installation.probes, installation.questions) == (2, 1)  # PhonePe and the control host


def test_who_asks_too_often_is_told_to_wait(anyone, monkeypatch):
    monkeypatch.setitem(DiagnosisThrottle.THROTTLE_RATES, "diagnosis", "2/min")
    assert [anyone.get(URL).status_code for _ in range(3)] == [200, 200, 429]


class TestWithoutDatabase:
    """The database refuses every new connection, and the shared cache lives in it."""

    @pytest.fixture(autouse=True)
    def database_down(self, settings, monkeypatch):
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache"}
        }
        gone = {
            **connections.settings["default"],
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": refusing_port(),
            "NAME": "okpuja",
            "OPTIONS": {},
        }
        ours = connections["default"]
        monkeypatch.setitem(connections.settings, "default", gone)
        del connections["default"]
        with pytest.raises(OperationalError):
            connections["default"].ensure_connection()
        yield
        connections["default"] = ours

    def test_the_diagnosis_works_and_names_the_database(self, anyone, operator, installation):
        answer = anyone.get(URL)
        assert answer.status_code == 200
        assert (answer.json()["verdict"], answer.json()["culprit"]) == ("database_down", "this_server")
        assert operator.get(URL).json()["dependencies"]["database"]["ok"] is False

    def test_still_only_one_diagnosis_in_thirty_seconds(self, anyone, installation):
        first, second = anyone.get(URL).json(), anyone.get(URL).json()
        assert first == second
        assert installation.questions == 1

    def test_a_login_that_cannot_be_checked_gets_the_short_answer(self, api, installation):
        from_somebody = Client(headers={"Authorization": f"Bearer {token_of_nobody()}"})
        assert set(from_somebody.get(URL).json()) == SHORT


class TestAtOnce:
    def test_anonymous_users_and_customers_may_not(self, anyone, api, alice):
        assert anyone.post(URL, {"test_payment": True}, content_type="application/json").status_code == 401
        assert api(alice).post(URL, {"test_payment": True}).status_code == 403

    def test_an_operator_gets_a_new_diagnosis_and_no_payment_is_started(self, operator, installation):
        operator.get(URL)
        answer = operator.post(URL, {"test_payment": True}, content_type="application/json")
        assert answer.status_code == 200
        assert set(answer.json()) == FULL
        assert installation.questions == 2
        assert {method for method, _ in installation.asked} == {"GET"}

    def test_a_simulated_phonepe_gets_a_status_request(self, operator):
        checks = operator.post(URL, {"test_payment": True}, content_type="application/json").json()["checks"]
        assert [check["ok"] for check in checks if check["layer"] == "contract"] == [True]

    @pytest.mark.parametrize("body", [{}, {"test_payment": False}, {"test_payment": "perhaps"}])
    def test_test_payment_must_be_true(self, operator, body):
        assert operator.post(URL, body, content_type="application/json").status_code == 400

    def test_never_in_production(self, operator, settings):
        settings.PHONEPE_ENV = "PRODUCTION"
        answer = operator.post(URL, {"test_payment": True}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_in_production")


def token_of_nobody():
    token = AccessToken()
    token["user_id"] = "1"
    return token


def test_the_schema_describes_it_without_a_warning(capsys):
    schema = SchemaGenerator().get_schema(public=True)
    operations = schema["paths"][URL]
    assert set(operations) == {"get", "post"}
    verdicts = json.dumps(schema["components"]["schemas"])
    assert "key_not_configured" in verdicts
    assert capsys.readouterr().err == ""

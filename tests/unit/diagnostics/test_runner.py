import json
import socket
import threading
import time

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.db import connections

from core.errors import Unavailable
from diagnostics import runner
from diagnostics.deadlines import result_cache
from diagnostics.dns import DnsClients
from diagnostics.runner import DiagnosisRunning, latest_report
from payment.models import DiagnosisRun
from payment.phonepe.transport import Resolver
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port, silent_port
from tests.unit.diagnostics.reports import report_json

pytestmark = [pytest.mark.sockets, pytest.mark.django_db(transaction=True)]


class ReadOnlyCache(BaseCache):
    def __init__(self, *_):
        super().__init__({})

    def add(self, *_, **__):
        return False

    def get(self, key, default=None, version=None):
        return default

    def set(self, *_, **__):
        pass

    delete = add


def public_endpoints(answer):
    return [{name: each[name] for name in ("endpoint", "reachable", "stage")} for each in answer["endpoints"]]


def layers(answer, target):
    return {check["layer"]: check["ok"] for check in answer["checks"] if check["target"].startswith(target)}


@pytest.fixture
def base_url(real_v1, phonepe_server):
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe_server.port}/apis/pg-sandbox"
    return real_v1.PHONEPE_BASE_URL


@pytest.fixture
def name_server():
    """Resolves PhonePe's name to a port on loopback; addresses as they are."""
    ports = {}

    def lookup(host, port, **_):
        known = ports.get(host, port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", known))]

    return ports, DnsClients(Resolver(lookup), None)


def test_in_simulation_nothing_is_probed(settings, control):
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("simulated", "none")
    assert answer["success"] is True
    assert answer["endpoints"] == []
    assert control.asked == []


def test_a_phonepe_that_accepts_our_credentials_is_ok(base_url, control, phonepe_server):
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("ok", "none")
    assert public_endpoints(answer) == [
        {"endpoint": "configured address", "reachable": True, "stage": "HTTP"}
    ]
    assert layers(answer, f"127.0.0.1:{phonepe_server.port}") == {
        "tcp": True,
        "http": True,
        "credentials": True,
        "contract": True,
    }
    assert answer["support_message"] is None


def test_no_payment_is_ever_started(base_url, control, phonepe_server):
    report_json()
    assert {method for method, _ in phonepe_server.asked} == {"GET"}
    assert phonepe_server.questions == 1


def test_a_refusal_while_the_other_environment_answers_is_phonepes_fault(
    real_v1, control, authority, name_server
):
    ports, clients = name_server
    ports["api-preprod.phonepe.com"] = refusing_port()
    with FakePhonePe(certificate=authority.issue("api.phonepe.com")) as sibling:
        ports["api.phonepe.com"] = sibling.port
        answer = report_json(clients=clients)
    assert sibling.questions == 0
    assert (answer["verdict"], answer["culprit"]) == ("connection_refused", "phonepe")
    assert "contract" not in layers(answer, "")
    assert public_endpoints(answer) == [
        {"endpoint": "api-preprod.phonepe.com", "reachable": False, "stage": "DNS"}
    ]


def test_a_refusal_at_every_address_of_phonepe_while_others_answer_is_a_firewall(
    real_v1, control, name_server
):
    ports, clients = name_server
    ports |= {"api-preprod.phonepe.com": refusing_port(), "api.phonepe.com": refusing_port()}
    answer = report_json(clients=clients)
    assert (answer["verdict"], answer["culprit"]) == ("connection_refused", "hosting")
    assert "To be certain" in answer["next_action"]


def test_a_refusal_by_all_hosts_is_a_fault_of_the_hosting(real_v1, name_server):
    ports, clients = name_server
    ports["api-preprod.phonepe.com"] = refusing_port()
    real_v1.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{refusing_port()}"]
    answer = report_json(clients=clients)
    assert (answer["verdict"], answer["culprit"]) == ("connection_refused", "hosting")


def test_credentials_that_phonepe_refuses_are_named(base_url, control, phonepe_server):
    phonepe_server.answer = (401, {"success": False, "code": "401"})
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("bad_credentials", "credentials")


def test_a_merchant_without_a_salt_key_is_named(base_url, control, phonepe_server):
    said = {"success": False, "code": "KEY_NOT_CONFIGURED", "message": "Key not found for the merchant"}
    phonepe_server.answer = (404, said)
    assert report_json()["verdict"] == "key_not_configured"


def test_a_path_that_phonepe_does_not_know_is_a_wrong_base_url(base_url, control, phonepe_server):
    phonepe_server.answer = (400, {"message": "Bad Request - Api Mapping Not Found"})
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("wrong_base_url", "configuration")


def test_a_page_instead_of_json_means_blocked(base_url, control, phonepe_server):
    phonepe_server.answer = (403, "<html>Access denied</html>")
    assert report_json()["verdict"] == "http_blocked"


def test_a_database_that_refuses_is_never_reported_as_phonepe(base_url, control, monkeypatch):
    """`[Errno 111] Connection refused` says nothing about who refused."""
    port = refusing_port()
    gone = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": port,
        "NAME": "okpuja",
        "USER": "okpuja",
        "PASSWORD": "the-database-password",
        "OPTIONS": {},
    }
    monkeypatch.setitem(connections.settings, "default", gone)
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("database_down", "this_server")
    assert f"127.0.0.1:{port}" in answer["next_action"]
    assert answer["endpoints"][0]["reachable"] is True
    assert answer["dependencies"]["worker"]["ok"] is None
    assert "the-database-password" not in json.dumps(answer)


def test_a_silent_listener_and_name_server_do_not_exceed_the_deadline(real_v1):
    never = threading.Event()
    real_v1.PHONEPE_FALLBACK_BASE_URLS = ["https://mercury-uat.phonepe.com"]
    with silent_port() as port:
        real_v1.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{port}"]
        began = time.monotonic()
        answer = report_json(2.0, DnsClients(Resolver(lambda *_, **__: never.wait(30)), None))
        took = time.monotonic() - began
    never.set()
    assert took < 3
    assert answer["verdict"] == "dns_failure"
    assert [endpoint["stage"] for endpoint in answer["endpoints"]] == ["NONE", "NONE"]


def test_a_phonepe_that_does_not_answer_does_not_exceed_the_deadline(base_url, control, phonepe_server):
    phonepe_server.is_mute = True
    began = time.monotonic()
    answer = report_json(2.0)
    assert time.monotonic() - began < 3
    assert answer["verdict"] == "phonepe_down"
    assert answer["endpoints"][0]["stage"] == "HTTP"
    assert layers(answer, "")["contract"] is False


def test_the_whole_diagnosis_takes_ten_seconds_at_most():
    assert runner.SECONDS <= 10


def test_page_hosts_are_probed_and_get_no_status_request(base_url, control, settings, name_server):
    ports, clients = name_server
    with FakePhonePe() as pages:
        ports["mercury-uat.phonepe.com"] = pages.port
        settings.PHONEPE_FALLBACK_BASE_URLS = ["https://mercury-uat.phonepe.com"]
        answer = report_json(clients=clients)
    assert answer["verdict"] == "ok"
    assert public_endpoints(answer)[1] == {
        "endpoint": "mercury-uat.phonepe.com",
        "reachable": False,  # this one speaks no TLS
        "stage": "TCP",
    }
    assert pages.questions == 0


def test_v2_requests_a_token_at_the_token_address(real_v1, control):
    real_v1.PHONEPE_CLIENT_ID = "CLIENTOKPUJA"
    real_v1.PHONEPE_CLIENT_SECRET = "a-client-secret-that-nobody-may-see"
    with FakePhonePe() as payments:
        real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{payments.port}"
        real_v1.PHONEPE_AUTH_BASE_URL = f"http://127.0.0.1:{refusing_port()}"
        answer = report_json()
    assert [endpoint["reachable"] for endpoint in answer["endpoints"]] == [True, False]
    assert answer["verdict"] == "connection_refused"
    assert payments.questions == 0


@pytest.mark.parametrize(
    ("status", "said", "verdict", "culprit"),
    [
        (
            401,
            {"code": "INVALID_CLIENT", "errorCode": "OIM004", "message": "Unauthorized"},
            "bad_credentials",
            "credentials",
        ),
        (404, {"code": "CLIENT_NOT_FOUND", "message": "None"}, "wrong_environment", "credentials"),
        (404, {"success": False, "code": "404"}, "wrong_base_url", "configuration"),
        (404, "<html><title>Not Found</title></html>", "wrong_base_url", "configuration"),
        (404, {"message": "no Route matched with those Values"}, "wrong_base_url", "configuration"),
    ],
)
def test_a_refused_token_distinguishes_secret_environment_and_address(
    real_v1, control, phonepe_server, status, said, verdict, culprit
):
    real_v1.PHONEPE_CLIENT_ID = "CLIENTOKPUJA"
    real_v1.PHONEPE_CLIENT_SECRET = "a-client-secret-that-nobody-may-see"
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe_server.port}"
    phonepe_server.answer = (status, said)
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == (verdict, culprit)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"PHONEPE_SALT_KEY": ""}, "PHONEPE_SALT_KEY"),
        ({"PHONEPE_CLIENT_ID": "CLIENTOKPUJA"}, "PHONEPE_CLIENT_SECRET"),
        ({"PHONEPE_BASE_URL": "https://api.phonepe.com/apis/hermes"}, "PRODUCTION"),
        ({"PHONEPE_BASE_URL": "https://me:my-pass-word@phonepe.example/"}, "phonepe.example"),
        ({"PHONEPE_CA_BUNDLE": "/gone/while-we-run.pem"}, "PHONEPE_CA_BUNDLE"),
    ],
)
def test_settings_that_contradict_each_other_are_named(real_v1, wrong, named):
    for name, value in wrong.items():
        setattr(real_v1, name, value)
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("misconfigured", "configuration")
    assert named in answer["next_action"]
    assert "my-pass-word" not in json.dumps(answer)


def test_of_many_callers_one_diagnoses_and_few_wait(base_url, control, phonepe_server):
    """The others are told at once to come again: a thread that waits is lost to everybody else."""
    answers, refused = [], []

    def ask():
        try:
            answers.append(latest_report())
        except DiagnosisRunning:
            refused.append(True)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) + len(refused) == 8
    assert answers
    assert all(answer == answers[0] for answer in answers)
    assert phonepe_server.probes == 1
    assert phonepe_server.questions == 1


def test_the_last_report_is_returned_for_thirty_seconds(base_url, control, phonepe_server):
    first = latest_report()
    assert latest_report() == first
    assert phonepe_server.probes == 1
    cache.delete(runner.RUNNING)  # the thirty seconds are over
    latest_report()
    assert phonepe_server.probes == 2


def test_the_former_report_is_returned_while_a_new_one_is_made():
    cache.set(runner.LAST, {"verdict": "ok"}, 60)
    cache.set(runner.RUNNING, True, 30)
    assert latest_report() == {"verdict": "ok"}


def test_a_read_only_shared_cache_allows_one_diagnosis_in_thirty_seconds(
    settings, base_url, control, phonepe_server
):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.ReadOnlyCache"}}
    assert latest_report(patience=0) == latest_report(patience=0)
    assert phonepe_server.probes == 1


def test_a_caller_who_waited_without_a_result_diagnoses_itself():
    """The thread died."""
    cache.set(runner.RUNNING, True, 30)
    assert latest_report(patience=0)["verdict"] == "simulated"


def test_a_caller_during_the_first_diagnosis_gets_retry_later():
    cache.set(runner.RUNNING, True, 30)
    result_cache.own.set(runner.RUNNING, True, 30)
    with pytest.raises(Unavailable) as refused:
        latest_report(patience=0)
    assert refused.value.code == "diagnosis_running"


def layer_facts(endpoint):
    return [(layer["layer"], layer["family"], layer["ok"], layer["finding"]) for layer in endpoint["ladder"]]


def test_each_address_has_layers_for_each_family_of_its_own(real_v1, control, phonepe_server):
    """PhonePe has an IPv6 address that this machine has no way to."""
    closed = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", refusing_port(), 0, 0))
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", phonepe_server.port))
    real_v1.PHONEPE_BASE_URL = f"http://localhost:{phonepe_server.port}/apis/pg-sandbox"
    real_v1.PHONEPE_FALLBACK_BASE_URLS = [f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"]
    answer = report_json(clients=DnsClients(Resolver(lambda host, port, **_: [closed, found]), None))
    first, second = answer["endpoints"]
    assert layer_facts(first) == [
        ("dns", "ipv4", True, ""),
        ("dns", "ipv6", True, ""),
        ("tcp", "ipv4", True, ""),
        ("http", "ipv4", True, ""),
        ("tcp", "ipv6", False, "refused"),
        ("credentials", "", True, ""),
        ("contract", "", True, ""),
    ]
    assert first["reachable"] is True
    assert answer["verdict"] == "ok"
    assert (
        answer["checks"][-len(first["ladder"]) - len(second["ladder"]) :]
        == first["ladder"] + second["ladder"]
    )


def test_each_address_gets_a_status_request_and_the_worse_one_is_reported(real_v1, control):
    refusal = (401, {"success": False, "code": "401"})
    with FakePhonePe() as good, FakePhonePe(answer=refusal) as bad:
        real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{bad.port}/apis/pg-sandbox"
        real_v1.PHONEPE_FALLBACK_BASE_URLS = [f"http://127.0.0.1:{good.port}/apis/pg-sandbox"]
        answer = report_json()
    assert [layer_facts(each)[-2][2] for each in answer["endpoints"]] == [False, True]
    assert (answer["verdict"], answer["culprit"]) == ("ok", "none")
    assert f"127.0.0.1:{bad.port}" in answer["next_action"]


def test_when_only_the_second_address_is_open_and_refuses_us_that_is_the_fault(real_v1, control):
    with FakePhonePe(answer=(401, {"success": False, "code": "401"})) as second:
        real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"
        real_v1.PHONEPE_FALLBACK_BASE_URLS = [f"http://127.0.0.1:{second.port}/apis/pg-sandbox"]
        answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("bad_credentials", "credentials")


def test_v2_is_checked_from_the_token_to_the_contract(real_v1, control, phonepe_server):
    real_v1.PHONEPE_CLIENT_ID, real_v1.PHONEPE_CLIENT_SECRET = "CLIENTOKPUJA", "a-client-secret"
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe_server.port}"
    grant = {"access_token": "a-token-that-nobody-may-see", "issued_at": 1, "expires_at": 32_503_680_000}
    with FakePhonePe(answer=(200, grant)) as tokens:
        real_v1.PHONEPE_AUTH_BASE_URL = f"http://127.0.0.1:{tokens.port}"
        phonepe_server.answer = (500, {"code": "INTERNAL_SERVER_ERROR"})
        answer = report_json()
    assert layer_facts(answer["endpoints"][0])[-2:] == [
        ("credentials", "", True, ""),
        ("contract", "", False, "not_as_expected"),
    ]
    assert answer["verdict"] == "phonepe_down"
    assert "a-token-that-nobody-may-see" not in json.dumps(answer)


def test_a_refusing_broker_is_named_while_payments_go_on(settings, client):
    """The predecessor reported this as a firewall that blocks PhonePe, for weeks."""
    port = refusing_port()
    settings.BROKER_URL = f"amqp://okpuja:the-broker-password@127.0.0.1:{port}//"
    paid = client.get("/api/payments/payments/simulate-payment-success/")
    assert (paid.status_code, paid.json()["status"]) == (200, "SUCCESS")
    answer = report_json(ask_simulator=True)
    assert (answer["verdict"], answer["culprit"]) == ("broker_down", "this_server")
    assert f"127.0.0.1:{port}" in answer["next_action"]
    assert f"broker (127.0.0.1:{port}): ConnectionRefusedError" in answer["support_message"]["body"]
    assert "the-broker-password" not in json.dumps(answer)
    assert answer["endpoints"][0]["ladder"][-1]["ok"] is True


def test_a_mail_server_that_refuses_is_named_and_phonepe_is_not_blamed(base_url, control, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", refusing_port()
    answer = report_json()
    assert (answer["verdict"], answer["culprit"]) == ("mail_down", "this_server")
    assert f"127.0.0.1:{settings.EMAIL_PORT}" in answer["next_action"]
    assert answer["endpoints"][0]["reachable"] is True


def test_both_of_two_faults_are_reported_with_their_actions(real_v1, control, settings):
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}"
    settings.BROKER_URL = f"amqp://127.0.0.1:{refusing_port()}"
    answer = report_json()
    assert answer["verdict"] == "connection_refused"
    [other] = answer["also"]
    assert (other["verdict"], other["troubleshooting"]) == (
        "broker_down",
        "docs/troubleshooting.md#broker_down",
    )


def test_every_dependency_of_ours_is_checked(base_url, control):
    answer = report_json()
    assert set(answer["dependencies"]) == {
        "database", "worker", "cache", "disk", "mail", "webhook", "webhook_silence", "load",
    }  # fmt: skip
    assert "takes writes" in answer["dependencies"]["database"]["detail"]
    assert answer["server"]["source_addresses"] == ["127.0.0.1"]
    assert answer["took_ms"] < 10_000


def test_many_silent_hosts_do_not_exceed_the_deadline(real_v1, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with silent_port() as port:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        real_v1.PHONEPE_BASE_URL = f"https://127.0.0.1:{port}/apis/pg-sandbox"
        real_v1.PHONEPE_FALLBACK_BASE_URLS = [f"http://127.0.0.1:{port}/apis/pg-sandbox"]
        real_v1.DIAGNOSIS_CONTROL_URLS = [f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}"]
        began = time.monotonic()
        answer = report_json(2.0)
        assert time.monotonic() - began < 3
    assert answer["success"] is False
    assert answer["dependencies"]["mail"]["ok"] is False


class SilentCache(ReadOnlyCache):
    """Behind a connection that takes everything and answers nothing."""

    def add(self, *_, **__):
        time.sleep(60)

    get = set = delete = add


def test_a_silent_cache_does_not_exceed_the_deadline(real_v1, settings, monkeypatch):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.SilentCache"}}
    result_cache.own.clear()
    monkeypatch.setattr(runner, "SECONDS", 3.0)
    with silent_port() as port:
        real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{port}/apis/pg-sandbox"
        real_v1.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{port}"]
        began = time.monotonic()
        answer = latest_report()
        took = time.monotonic() - began
    assert took < 3.9
    assert answer["success"] is False
    assert latest_report() == answer


def test_a_clock_that_was_set_back_does_not_keep_an_old_diagnosis(settings):
    settings.PHONEPE_SIMULATION_MODE = True
    latest_report()
    cache.set(runner.RUNNING, time.time() + 3600, 7200)  # what a clock an hour ahead has left

    latest_report()
    assert DiagnosisRun.objects.count() == 2

    latest_report()
    assert DiagnosisRun.objects.count() == 2

"""Going through the list, against a server that runs."""

import io
import itertools
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest
from django.conf import settings as installed
from django.core.management import call_command
from django.utils import timezone

from diagnostics.deadlines import result_cache
from diagnostics.enums import Verdict
from diagnostics.evidence import Evidence
from diagnostics.golive import flow, installation, network, server
from diagnostics.golive.checklist import POINTS, run_checklist
from diagnostics.golive.site import FAIL, NOT_RUN, PASS, NoAnswer, Site
from diagnostics.history import PastRuns
from diagnostics.report import Endpoint, Layer, build_report
from payment.models import DiagnosisRun, Payment, WebhookEvent
from tests.harness.certificates import Authority
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sockets]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    result_cache.own.clear()
    monkeypatch.setattr(flow, "WEBHOOK_WITHIN", 0.2)  # the simulated PhonePe calls nobody here


@pytest.fixture
def site(live_server, settings):
    settings.PUBLIC_BASE_URL = live_server.url
    settings.FRONTEND_BASE_URL = ""
    return Site()


@pytest.fixture
def nowhere():
    return Site(f"http://127.0.0.1:{refusing_port()}")


class Page:
    """A frontend that answers with this Referrer-Policy."""

    def __init__(self, policy):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response_only(200)
                self.send_header("Referrer-Policy", policy)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def results(answer):
    return {line["check"]: line["result"] for line in answer["checks"]}


def test_every_point_is_there_with_a_result_and_a_reason(site):
    answer = run_checklist(site)

    assert [line["check"] for line in answer["checks"]] == [point.name for point in POINTS]
    assert all(line["result"] in {PASS, FAIL, NOT_RUN} and line["reason"] for line in answer["checks"])
    assert all(line["next_action"] for line in answer["checks"] if line["result"] == FAIL)
    assert (answer["success"], answer["build"]) == (False, installed.BUILD)
    found = results(answer)
    assert found["simulation_off"] == found["final_host"] == FAIL
    assert {found[name] for name in ("debug_off", "database", "health", "builds", "error_handling")} == {PASS}
    assert found["payment_initiation"] == PASS
    assert found["connectivity"] == found["domain"] == NOT_RUN


def test_without_a_server_only_the_points_that_need_one_fail(nowhere):
    found = results(run_checklist(nowhere))

    assert found["health"] == found["builds"] == found["error_handling"] == FAIL
    assert found["database"] == found["debug_off"] == PASS


def test_the_checklist_contains_no_secret(site, settings):
    settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD = "webhook_user", "short!secret"
    told = json.dumps(run_checklist(site))
    for secret in (settings.SECRET_KEY, settings.OPS_TOKEN, "short!secret"):
        assert secret not in told


def test_the_command_ends_with_one_until_nothing_is_left_to_do(site):
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("golive", "--json", "--at", site.base_url, "--acknowledge-backups", stdout=out)

    assert end.value.code == 1
    assert results(json.loads(out.getvalue()))["backups"] == PASS


class TestSettings:
    def test_backups_are_acknowledged_or_described(self, settings):
        assert installation.backups(Site()).result == NOT_RUN
        assert installation.backups(Site(acknowledged=frozenset({"backups"}))).result == PASS
        settings.BACKUPS = "nightly to another house, restored on 1 November"
        assert installation.backups(Site()).result == PASS

    @pytest.mark.parametrize(("hours", "result"), [(None, FAIL), (37, FAIL), (2, PASS)])
    def test_our_own_backups_are_judged_by_the_age_of_the_newest(self, settings, tmp_path, hours, result):
        settings.BACKUP_DIR, settings.BACKUP_KEY = str(tmp_path), "k" * 40
        settings.BACKUPS = "nightly"
        if hours:
            made_at = datetime.now(UTC) - timedelta(hours=hours, minutes=1)
            (tmp_path / f"okpuja-{made_at:%Y%m%dT%H%M%SZ}.backup").touch()
        judged = installation.backups(Site())
        assert judged.result == result
        assert f"{hours} hours old" in judged.reason or hours is None

    @pytest.mark.parametrize(
        ("user", "password", "result"),
        [
            ("okpuja_hook", "Passw0rd9", PASS),
            ("okp", "Passw0rd9", FAIL),
            ("okpuja-hook", "Passw0rd9", FAIL),
            ("okpuja_hook", "short1", FAIL),
            ("okpuja_hook", "Pass word 9", FAIL),
            ("okpuja_hook", "a" * 21, FAIL),
        ],
    )
    def test_a_webhook_login_that_the_dashboard_rejects_fails(self, settings, user, password, result):
        settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD = user, password
        assert installation.webhook_login(Site()).result == result

    def test_debug_fails_the_list(self, settings):
        settings.DEBUG = True
        assert installation.debug_off(Site()).result == FAIL

    def test_missing_alert_settings_fail(self, settings):
        settings.STAFF_EMAILS, settings.DEAD_MAN_URL = ["staff@example.com"], "https://alarm.example/1"
        assert installation.somebody_is_told(Site()).result == PASS
        settings.STAFF_EMAILS = settings.STAFF_WEBHOOK_URL = ""
        assert "STAFF_EMAILS" in installation.somebody_is_told(Site()).next_action

    @pytest.mark.parametrize(
        ("url", "result"),
        [("smtp+tls://us:secret@mail.example:587", PASS), ("file:///srv/mail", FAIL), ("console://", FAIL)],
    )
    def test_mail_that_is_not_sent_fails(self, settings, url, result):
        settings.EMAIL_URL = url
        assert installation.mail(Site()).result == result
        assert "secret" not in installation.mail(Site()).reason

    def test_settings_that_production_refuses_fail(self, settings):
        settings.PHONEPE_SSL_VERIFY = False
        assert "PHONEPE_SSL_VERIFY" in installation.safe_settings(Site()).reason


class Processes:
    """A server of two processes. A connection belongs to one of them for as long as it lives."""

    def __init__(self, builds):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.build = next(turns)

            def do_GET(self):
                said = json.dumps({"build": self.build}).encode()
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        turns = itertools.cycle(builds)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


SECURED = Layer("tls", "", "api.phonepe.com:443", True, 0, "", "certificate by a public authority")
ANSWERED = Layer("contract", "", "api.phonepe.com:443", True, 0, "", "no such order")


def site_with_diagnosis(settings, layers=(SECURED, ANSWERED), **changes):
    """A site whose diagnosis found nothing wrong, except for the changes."""
    settings.PHONEPE_SIMULATION_MODE = False
    host = "api.phonepe.com"
    endpoint = Endpoint(host, True, "HTTP", "payments", f"{host}:443", "directly", list(layers))
    report = build_report(Evidence(), None, PastRuns(), timezone.now())
    assert report.success
    site = Site("http://127.0.0.1:1")
    site.diagnosis = replace(report, **{"endpoints": [endpoint], "checks": list(layers)} | changes)
    return site


class TestNetwork:
    def test_a_mail_server_that_is_down_is_no_fault_of_the_connection_to_phonepe(self, settings):
        mail = {"verdict": Verdict.MAIL_DOWN, "success": False, "summary": "The mail server is down."}
        site = site_with_diagnosis(settings, **mail, next_action="Start it.")

        assert network.connectivity(site).result == PASS
        found = network.nothing_is_broken(site)
        assert (found.result, found.reason, found.next_action) == (FAIL, mail["summary"], "Start it.")

    def test_a_phonepe_that_does_not_know_us_is_not_connected(self, settings):
        unanswered = replace(ANSWERED, ok=None)
        site = site_with_diagnosis(
            settings,
            [SECURED, unanswered],
            verdict=Verdict.BAD_CREDENTIALS,
            success=False,
            summary="not accepted",
        )
        assert network.connectivity(site).result == FAIL

    def test_only_certificates_of_phonepe_count(self, settings):
        broken = Layer("tls", "", "control.example:443", False, 0, "expired", "expired")
        of_control_host = site_with_diagnosis(settings, checks=[SECURED, ANSWERED, broken])
        assert network.tls(of_control_host).result == PASS
        assert network.tls(site_with_diagnosis(settings, [SECURED, ANSWERED, broken])).result == FAIL


class TestServer:
    def test_old_code_in_one_of_several_processes_fails(self):
        with Processes([installed.BUILD, "of-last-week"]) as running:
            found = server.builds(Site(running.url))
        assert found.result == FAIL
        assert "of-last-week" in found.reason

    def test_an_old_build_of_the_worker_fails(self, site):
        DiagnosisRun.objects.create(
            asked_by=DiagnosisRun.AskedBy.WORKER,
            started_at=timezone.now(),
            finished_at=timezone.now(),
            circumstances={"build": {"": "of-last-week"}},
        )
        assert "wait for the next diagnosis" in server.builds(site).next_action

    def test_our_own_address_may_have_a_certificate_of_our_own_authority(self, tmp_path, settings):
        authority = Authority(tmp_path)
        settings.DIAGNOSIS_CA_BUNDLE = str(authority.bundle)
        with FakePhonePe(certificate=authority.issue("127.0.0.1")) as ours:
            site = Site(f"https://127.0.0.1:{ours.port}")
            assert site.request("GET", "/healthz").status_code == 400
            with pytest.raises(NoAnswer):
                site.request(
                    "GET", f"https://localhost:{ours.port}/"
                )  # the shop is trusted as browsers trust it

    def test_an_old_build_of_the_server_fails(self, site):
        DiagnosisRun.objects.create(
            asked_by=DiagnosisRun.AskedBy.WORKER,
            started_at=timezone.now(),
            finished_at=timezone.now(),
            success=True,
            circumstances={"build": {"": "of-last-week"}},
        )
        found = server.builds(site)
        assert found.result == FAIL
        assert "of-last-week" in found.reason

    def test_a_callback_url_without_tls_fails(self, site):
        assert server.final_host(site).result == FAIL

    def test_an_unreachable_server_is_named_with_its_address(self, nowhere):
        with pytest.raises(NoAnswer, match=nowhere.base_url):
            server.health(nowhere)

    def test_a_referrer_policy_that_hides_the_domain_fails(self, site, settings):
        assert server.referrer(site).result == PASS
        with Page("no-referrer") as frontend:
            settings.FRONTEND_BASE_URL = frontend.url
            assert server.referrer(site).result == FAIL

    def test_the_registered_domain_needs_the_word_of_a_person(self, site):
        assert server.domain(site).result == NOT_RUN
        assert server.domain(Site(acknowledged=frozenset({"domain"}))).result == PASS


class TestFlow:
    def test_real_money_is_never_moved(self, settings):
        settings.PHONEPE_ENV, settings.PHONEPE_SIMULATION_MODE = "PRODUCTION", False
        assert flow.payment_initiation(Site()).result == NOT_RUN
        assert flow.full_flow(Site()).result == NOT_RUN
        assert not Payment.objects.exists()

    def test_an_order_is_opened_in_simulation(self):
        assert flow.payment_initiation(Site()).result == PASS
        assert Payment.objects.get().amount_paise == 100

    def test_a_booking_without_a_webhook_fails_the_full_flow(self, site, settings):
        """Behind a proxy our own call has the address of nobody: OPS_TOKEN lets it in."""
        settings.NUM_PROXIES, settings.OPS_TOKEN = 1, "the-token-of-the-people-on-call"
        found = flow.full_flow(site)
        assert found.result == FAIL
        assert "no webhook came" in found.reason
        assert not WebhookEvent.objects.exists()

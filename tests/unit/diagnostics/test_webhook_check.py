"""Our own webhook address, reached over a real proxy that ends TLS, as PhonePe reaches it."""

import socket
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.urls import reverse

from diagnostics import webhook_check
from diagnostics.webhook_check import check_webhook
from payment.models import WebhookEvent
from payment.phonepe.credentials import current
from payment.phonepe.transport import Resolver
from payment.phonepe.webhooks import SELF_TEST_HEADER, create_self_test_token, sign_self_test
from tests.harness.certificates import Authority
from tests.harness.network import refusing_port

pytestmark = [pytest.mark.sockets, pytest.mark.django_db(transaction=True)]
URL = "/api/payments/webhook/phonepe/"


class Front:
    """A proxy before the live server. `change` may alter (headers, body), `answer` replaces the server.

    `chunked`, `slashless`: answers to such calls only. `most`: bytes of a body.
    """

    def __init__(self, certificate, upstream):
        self.change = lambda headers, body: (headers, body)
        self.answer = self.chunked = self.slashless = self.most = None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, upstream))
        self._http.handle_error = lambda *_: None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def _handler(front, upstream):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            if is_chunked := self.headers["Transfer-Encoding"] == "chunked":
                body = b"".join(iter(self._chunk, b""))
            else:
                body = self.rfile.read(int(self.headers["Content-Length"]))
            headers, body = front.change(dict(self.headers.items()), body)
            answer = front.answer or (front.chunked if is_chunked else None)
            answer = answer or (None if self.path.endswith("/") else front.slashless)
            if front.most is not None and len(body) > front.most:
                answer = (413, {}, b"too large")
            status, extra, said = answer or upstream(headers, body)
            self.send_response_only(status)
            for name, value in {**extra, "Content-Length": len(said)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(said)

        def _chunk(self):
            size = int(self.rfile.readline(), 16)
            return self.rfile.read(size + 2)[:size]

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def shop(settings, tmp_path, client, real_v2):
    """An installation behind a proxy at https://shop.example."""
    authority = Authority(tmp_path)
    settings.DIAGNOSIS_CA_BUNDLE = str(authority.bundle)
    settings.DIAGNOSIS_TRUSTED_NETWORKS = ["127.0.0.0/8"]

    def upstream(headers, body):
        answer = client.post(
            URL,
            body,
            content_type="application/json",
            headers={
                name: headers[name] for name in headers if name.lower() not in ("host", "content-length")
            },
        )
        return answer.status_code, {"Content-Type": "application/json"}, answer.content

    with Front(authority.issue("shop.example"), upstream) as front:
        settings.PUBLIC_BASE_URL = f"https://shop.example:{front.port}"
        yield front


@pytest.fixture
def real_v2(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_CLIENT_ID = "CLIENTOKPUJA"
    settings.PHONEPE_CLIENT_SECRET = "a-client-secret"
    settings.PHONEPE_WEBHOOK_USERNAME = "webhook-user"
    settings.PHONEPE_WEBHOOK_PASSWORD = "Webhook-pass-9"
    return settings


def checked():
    def lookup(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    return check_webhook(current(), Resolver(lookup))


def test_the_address_is_the_one_that_phonepe_calls():
    assert reverse("webhook-phonepe") == webhook_check.PATH


def test_a_correct_webhook_passes_and_stores_nothing(shop):
    check = checked()
    assert (check.ok, check.fault) == (True, "")
    assert "unchanged" in check.detail
    assert not WebhookEvent.objects.exists()


def test_the_hmac_and_the_salt_key_authenticate_as_well(shop, settings):
    settings.PHONEPE_WEBHOOK_PASSWORD, settings.PHONEPE_WEBHOOK_SECRET = "", "an-hmac-secret"
    assert checked().ok is True
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_MERCHANT_ID = "", "MERCHANTOKPUJA"
    settings.PHONEPE_WEBHOOK_SECRET, settings.PHONEPE_SALT_KEY = "", "a-salt-key"
    assert checked().ok is True


def test_settings_without_a_secret_for_webhooks_blame_no_server_in_front(shop, settings):
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "CLIENTOKPUJA", "a-client-secret"
    settings.PHONEPE_MERCHANT_ID = settings.PHONEPE_SALT_KEY = ""
    settings.PHONEPE_WEBHOOK_USERNAME = settings.PHONEPE_WEBHOOK_PASSWORD = (
        settings.PHONEPE_WEBHOOK_SECRET
    ) = ""
    check = checked()
    assert (check.ok, check.fault) == (False, "no_secret")
    assert "settings" in check.detail


def test_a_redirect_of_the_webhook_url_fails(shop):
    shop.answer = (301, {"Location": "https://www.shop.example/api/"}, b"")
    check = checked()
    assert (check.ok, check.fault) == (False, "redirect")
    assert "www.shop.example" in check.detail


def test_a_proxy_that_removes_authorization_is_detected(shop):
    shop.change = lambda headers, body: ({k: v for k, v in headers.items() if k != "Authorization"}, body)
    assert checked().fault == "refuses"


def test_a_proxy_that_rewrites_bodies_is_detected(shop):
    shop.change = lambda headers, body: (headers, body.strip())
    assert checked().fault == "changed"


def test_a_page_instead_of_our_webhook_is_detected(shop):
    shop.answer = (403, {"Content-Type": "text/html"}, b"<title>Just a moment</title>")
    check = checked()
    assert check.fault == "other"
    assert "Just a moment" in check.detail


def test_a_server_that_accepts_wrong_credentials_is_detected(shop):
    shop.answer = (200, {"Content-Type": "application/json"}, b"{}")
    assert checked().fault == "open"


def test_an_untrusted_certificate_of_our_own_is_detected(shop, settings):
    settings.DIAGNOSIS_CA_BUNDLE = ""
    assert checked().fault == "tls"


def test_a_name_that_leads_to_this_machine_from_here_is_unsure(shop, settings):
    """Debian writes it into /etc/hosts: what PhonePe finds is not known."""
    settings.DIAGNOSIS_TRUSTED_NETWORKS = []
    check = checked()
    assert (check.ok, check.fault) == (None, "unsure")
    assert "from outside" in check.detail


def test_a_public_address_unreachable_from_inside_is_unsure(shop, settings):
    settings.PUBLIC_BASE_URL = f"https://shop.example:{refusing_port()}"
    check = checked()
    assert (check.ok, check.fault) == (None, "unsure")
    assert "from outside" in check.detail


def test_a_proxy_without_chunked_bodies_is_a_note(shop):
    """Some refuse them, some pass on nothing of them. PhonePe sends none."""
    for answer, words in (
        ((411, {}, b""), "Transfer-Encoding"),
        ((501, {"Content-Type": "text/html"}, b"<title>Not implemented</title>"), "Not implemented"),
        ((400, {"Content-Type": "application/json"}, b'{"code": "empty"}'), "drops it"),
    ):
        shop.chunked = answer
        check = checked()
        assert (check.ok, check.fault) == (True, "chunked")
        assert words in check.detail


def test_a_proxy_that_loses_calls_without_the_last_slash_is_a_note(shop):
    for answer in (
        (301, {"Location": f"https://shop.example{URL}"}, b""),
        (404, {}, b""),
        (308, {"Location": URL}, b""),
    ):
        shop.slashless = answer
        check = checked()
        assert (check.ok, check.fault) == (True, "slash")
        assert URL.rstrip("/") in check.detail


def test_a_proxy_that_takes_no_bodies_of_phonepes_size_is_detected(shop):
    for most in (50, 2_000):
        shop.most = most
        check = checked()
        assert (check.ok, check.fault) == (False, "limit")


def test_a_proxy_that_takes_no_longer_bodies_is_a_note(shop):
    shop.most = 8_000
    check = checked()
    assert (check.ok, check.fault) == (True, "limit")
    assert "16 KiB" in check.detail


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, {"WWW-Authenticate": 'Basic realm="staging"'}, b""), "a password prompt stands in front"),
        ((502, {}, b""), "does not reach our application"),
        ((404, {"Content-Type": "text/html"}, b"<title>Welcome to nginx</title>"), "does not pass"),
        (
            (503, {"Content-Type": "text/html"}, b"<title>Maintenance</title>"),
            "does not reach our application",
        ),
    ],
)
def test_what_stands_in_front_is_told_in_words(shop, answer, words):
    shop.answer = answer
    check = checked()
    assert (check.ok, check.fault) == (False, "other")
    assert words in check.detail


def test_a_host_that_our_own_application_does_not_know_is_told(shop, settings):
    """Django answers 400 to it, whatever is called."""
    shop.answer = (400, {"Content-Type": "text/html"}, b"<h1>Bad Request (400)</h1>")
    settings.ALLOWED_HOSTS = ["other.example"]
    check = checked()
    assert (check.ok, check.fault) == (False, "other")
    assert "add shop.example to ALLOWED_HOSTS" in check.detail
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert checked().fault == "changed"


def test_another_installation_at_our_address_is_told(shop):
    """It takes the login, knows no token of ours, and keeps the call as an ordinary one."""
    shop.change = lambda headers, body: (
        ({k: v for k, v in headers.items() if k != SELF_TEST_HEADER}, body)
        if headers.get("Authorization") != "0" * 64
        else (headers, body)
    )
    check = checked()
    assert (check.ok, check.fault) == (False, "changed")
    assert "another installation" in check.detail


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        ({"ends": -timedelta(days=1)}, "has expired on"),
        ({"starts": timedelta(days=1)}, "is not valid before"),
        ({"names": ("www.shop.example",)}, "is for www.shop.example, not for shop.example"),
    ],
)
def test_what_is_wrong_with_our_certificate_is_told_in_words(shop, settings, tmp_path, issue, words):
    authority = Authority(tmp_path, "another")
    settings.DIAGNOSIS_CA_BUNDLE = str(authority.bundle)
    names = issue.pop("names", ("shop.example",))
    with Front(authority.issue(*names, **issue), lambda *_: (200, {}, b"")) as front:
        settings.PUBLIC_BASE_URL = f"https://shop.example:{front.port}"
        check = checked()
    assert (check.ok, check.fault) == (False, "tls")
    assert words in check.detail
    assert "Error" not in check.detail


def test_an_unknown_authority_is_told_with_the_full_chain(shop, settings):
    settings.DIAGNOSIS_CA_BUNDLE = ""
    assert "fullchain.pem" in checked().detail


def unknown(known=()):
    """A name server that knows these names only."""

    def lookup(host, port, **_):
        if host in known:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    return check_webhook(current(), Resolver(lookup))


def test_a_name_that_does_not_exist_is_a_fault_where_others_are_known(real_v2):
    real_v2.PUBLIC_BASE_URL = "https://shop.example"
    real_v2.DIAGNOSIS_CONTROL_URLS = ["https://control.example/"]
    check = unknown(["control.example"])
    assert (check.ok, check.fault) == (False, "name_unknown")
    assert "shop.example" in check.detail
    assert unknown(["api.phonepe.com"]).fault == "name_unknown"
    check = unknown()
    assert (check.ok, check.fault) == (None, "unsure")


def test_an_address_that_is_not_https_is_a_fault(real_v2):
    real_v2.PUBLIC_BASE_URL = "http://shop.example"
    check = checked()
    assert (check.ok, check.fault) == (False, "plain")
    real_v2.PHONEPE_SIMULATION_MODE = True
    assert checked().ok is None


@pytest.mark.parametrize(
    "address", ["https://10.0.0.5", "https://192.168.1.9:8443", "https://shop.internal", "https://[fd00::5]"]
)
def test_an_address_of_a_private_network_is_a_fault(real_v2, address):
    real_v2.PUBLIC_BASE_URL = address
    check = checked()
    assert (check.ok, check.fault) == (False, "private")


@pytest.mark.parametrize("address", ["http://127.0.0.1:8000", "http://localhost", "https://127.0.0.1"])
def test_an_address_that_phonepe_cannot_call_is_not_checked(real_v2, address):
    real_v2.PUBLIC_BASE_URL = address
    assert checked().ok is None


def test_a_token_of_another_installation_starts_no_self_test(client, real_v2):
    made = create_self_test_token()
    headers = {SELF_TEST_HEADER: made[:-1] + ("a" if made[-1] != "a" else "b")}
    headers |= sign_self_test(current(), b"{}")
    answer = client.post(URL, b"{}", content_type="application/json", headers=headers)
    assert answer.json() == {"success": True, "message": "kept"}  # authentic, and an ordinary call


def test_a_token_alone_is_no_authentication(client, real_v2):
    answer = client.post(
        URL, b"{}", content_type="application/json", headers={SELF_TEST_HEADER: create_self_test_token()}
    )
    assert answer.status_code == 401

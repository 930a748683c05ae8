"""deploy/vps at work: nginx before a server of ours, and the firewall in a network of its own."""

import contextlib
import http.client
import json
import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.harness import ROOT
from tests.harness.forwarder import free_port, wait_until_listening
from tests.harness.installation import WEBHOOK, Installation

VPS = ROOT / "deploy/vps"
HOST = "127.0.0.1"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin")
needs_nginx = pytest.mark.skipif(
    NGINX is None, reason="NOT CHECKED: no nginx (Debian: apt-get install nginx)"
)
BURST = 20
# The same directives with fewer seconds and requests.
SHORTER = {
    "client_header_timeout 10s": "client_header_timeout 1s",
    "client_body_timeout 20s": "client_body_timeout 1s",
    "burst=200": f"burst={BURST}",
}
pytestmark = [
    *(pytest.mark.slow, pytest.mark.sockets),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),
]


class Proxy:
    """The files of deploy/vps/nginx with ports, paths and a certificate of the test. The second process is down."""

    def __init__(self, folder: Path, behind: int) -> None:
        self.port, self.plain_port, self._folder = free_port(), free_port(), folder
        self._certify()
        limits = (VPS / "nginx/okpuja-limits.conf").read_text()
        (folder / "limits.conf").write_text(
            limits.replace(":8001", f":{behind}")
            .replace(":8002", f":{free_port()}")
            .replace("rate=50r/s", "rate=1r/s")
        )
        (folder / "site.conf").write_text(self._site())
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            f"events {{ worker_connections 768; }}\nhttp {{\n{temporary}access_log off;\n"
            f"include {folder}/limits.conf;\ninclude {folder}/site.conf;\n}}\n"
        )
        arguments = ("-e", folder / "error.log", "-c", folder / "nginx.conf", "-p", folder)
        self._process = subprocess.Popen([str(NGINX), *map(str, arguments)])
        wait_until_listening((HOST, self.port))

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _certify(self) -> None:
        files = ("-keyout", self._folder / "privkey.pem", "-out", self._folder / "fullchain.pem")
        made = (
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=a",
            *files,
        )
        subprocess.run([*map(str, made)], check=True, capture_output=True, timeout=60)

    def _site(self) -> str:
        site = (VPS / "nginx/okpuja-https.conf").read_text()
        site = re.sub(r"listen \[::\]:\d+[^;]*;", "", site)
        site = site.replace("listen 443", f"listen {HOST}:{self.port}").replace(
            "listen 80", f"listen {HOST}:{self.plain_port}"
        )
        site = site.replace("/etc/letsencrypt/live/HOST", f"{self._folder}").replace("HOST", HOST)
        site = site.replace("/etc/nginx/snippets", f"{VPS}/nginx").replace(
            "/var/log/nginx", f"{self._folder}"
        )
        for usual, short in SHORTER.items():
            assert usual in site
            site = site.replace(usual, short)
        return site

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection((HOST, self.port), timeout=20)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def send(self, method: str, path: str, **request: object) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = False
            return session.request(method, f"https://{HOST}:{self.port}{path}", timeout=60, **request)


class Echo(ThreadingHTTPServer):
    """Answers with the head that it got."""

    class RequestHandlerClass(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.dumps(dict(self.headers)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), self.RequestHandlerClass)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """Before a server of ours."""
    with Installation(NUM_PROXIES="1") as shop:
        server = shop.serve()
        requests.get(f"{server.url}/readyz", timeout=60).raise_for_status()
        with Proxy(tmp_path_factory.mktemp("nginx"), int(server.url.rpartition(":")[2])) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """Before a program that says what came through."""
    with Echo() as echo:
        threading.Thread(target=echo.serve_forever, daemon=True).start()
        with Proxy(tmp_path_factory.mktemp("nginx"), echo.server_port) as proxy:
            yield proxy
        echo.shutdown()


@needs_nginx
def test_nginx_hands_over_to_the_process_that_is_up_and_sends_http_to_https(proxy):
    assert [proxy.send("GET", "/healthz").status_code for _ in range(6)] == [200] * 6
    plain = http.client.HTTPConnection(HOST, proxy.plain_port, timeout=20)
    plain.request("GET", "/pay/?a=1")
    answer = plain.getresponse()
    plain.close()

    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/pay/?a=1")


@needs_nginx
def test_nginx_refuses_a_body_above_one_megabyte_and_takes_a_picture_of_five(proxy):
    body = b"x" * 2_000_000

    assert proxy.send("POST", "/api/auth/login/", data=body).status_code == 413
    assert proxy.send("PATCH", "/api/auth/profile/picture/", data=body).status_code == 401
    assert proxy.send("PATCH", "/api/auth/profile/picture/", data=body * 4).status_code == 413


@needs_nginx
@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST /api/auth/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["head", "body"],
)
def test_nginx_lets_go_who_sends_slowly(proxy, begun):
    with proxy.connect() as slow:  # which gives up after 20 s
        slow.sendall(begun)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while slow.recv(4096):
                pass


@pytest.mark.proof
@needs_nginx
def test_nginx_holds_one_address_to_its_rate_but_no_webhook(mirror):
    of_customers = Counter(mirror.send("GET", "/api/puja/services/").status_code for _ in range(60))
    of_phonepe = Counter(mirror.send("POST", WEBHOOK, data=b"{}").status_code for _ in range(60))

    assert of_customers[429] > 0
    assert of_customers[200] >= BURST
    assert of_phonepe == {200: 60}


@needs_nginx
def test_nginx_does_not_believe_what_a_client_says_about_its_address(mirror):
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    came = mirror.send("POST", WEBHOOK, data=b"{}", headers=forged).json()

    assert (came["X-Forwarded-For"], came["X-Forwarded-Proto"], came["Host"]) == (HOST, "https", HOST)


FIREWALL = """
import errno, os, socket, sys
os.setuid(int(sys.argv[1]))
def connect(host, port):
    with socket.socket() as caller:
        caller.settimeout(1)
        try:
            caller.connect((host, port))
        except TimeoutError:
            return "sent"  # nobody lives there: it left, and nothing came back
        except OSError as error:
            return errno.errorcode[error.errno]
        return "connected"
with socket.create_server(("127.0.0.1", 0)) as server:
    print(connect("127.0.0.1", server.getsockname()[1]), *(connect("10.99.0.2", int(port)) for port in sys.argv[2:]))
"""


@pytest.fixture
def firewall(tmp_path):
    """Commands in a network of its own, with one interface behind which nobody answers."""
    if NFT is None or os.geteuid() != 0:
        pytest.skip("NOT CHECKED: the firewall needs root and nft (Debian: apt-get install nftables)")
    (tmp_path / "nft.d").mkdir()
    (tmp_path / "nft.d/local.nft").write_text("tcp dport 3128 accept\n")
    nobody = pwd.getpwnam("nobody")
    rules = (VPS / "okpuja.nft").read_text()
    rules = rules.replace('"okpuja" accept', f"{nobody.pw_uid} accept").replace("/etc/okpuja", f"{tmp_path}")
    (tmp_path / "rules.nft").write_text(rules)
    (tmp_path / "try.py").write_text(FIREWALL)
    lines = [
        "ip link set lo up",
        "ip link add away type veth peer name far",
        "ip link set far up",
        "ip address add 10.99.0.1/24 dev away",
        "ip link set away up",
        # Twice: `systemctl reload` does the same.
        f"{NFT} -f {tmp_path}/rules.nft && {NFT} -f {tmp_path}/rules.nft",
        "ip neighbour add 10.99.0.2 lladdr 02:00:00:00:00:02 dev away nud permanent",
        f'exec {sys.executable} - "$@" < {tmp_path}/try.py',
    ]

    def run(user: int, *ports: int) -> list[str]:
        words = ["unshare", "--net", "sh", "-euc", "\n".join(lines), "sh", f"{user}", *map(str, ports)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        if "ermission denied" in done.stderr or "not permitted" in done.stderr:
            pytest.skip(f"NOT CHECKED: no network of its own here: {done.stderr[:200]}")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return lambda *ports: run(nobody.pw_uid, *ports), lambda *ports: run(0, *ports)


def test_the_firewall_lets_our_user_call_https_and_mail_and_refuses_the_rest_at_once(firewall):
    ours, others = firewall

    assert ours(443, 587, 3128, 22, 8080, 5432) == [
        *("connected", "sent", "sent", "sent"),
        *("EHOSTUNREACH", "EHOSTUNREACH", "EHOSTUNREACH"),
    ]
    assert others(22, 8080) == ["connected", "sent", "sent"]

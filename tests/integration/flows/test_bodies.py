"""Bodies without a length, over real lines: what CDNs and tunnels send, and what attackers send."""

import hashlib
import json
import re
import socket
from contextlib import contextmanager
from io import BytesIO
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from PIL import Image

from simulator.merchants import PUBLISHED
from simulator.models import Merchant
from tests.harness.databases import ON_POSTGRESQL, PASSWORD
from tests.harness.installation import WEBHOOK, Installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.proof(every=2)]

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=limit"
LOGIN = {"email": "devotee@example.com", "password": PASSWORD}
LOGIN_PATH = "/api/auth/login/"
PARTS = "".join(
    f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
    for name, value in LOGIN.items()
)
BODIES = {
    JSON: json.dumps(LOGIN).encode(),
    FORM: urlencode(LOGIN).encode(),
    MULTIPART: f"{PARTS}--limit--\r\n".encode(),
}
SLOW = {"REQUEST_BODY_SECONDS": 1}


@pytest.fixture(scope="module", params=["gunicorn", pytest.param("embedded", marks=pytest.mark.proof)])
def shop(request):
    if request.param == "embedded" and ON_POSTGRESQL:
        pytest.skip("the embedded default is SQLite")
    with Installation(**SLOW) as shop:
        shop.serve() if request.param == "gunicorn" else shop.serve_and_work()
        eventually(lambda: is_there(shop), "the server answers")
        yield shop


def is_there(shop):
    try:
        return requests.get(f"{shop.url}/healthz", timeout=5).ok
    except requests.RequestException:
        return False


def chunks(body, size=7):
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@contextmanager
def line_to(shop, path, content_type=JSON, **headers):
    """A line on which the head of a chunked POST has been said."""
    address = urlsplit(shop.url)
    head = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", f"Content-Type: {content_type}"]
    head += ["Transfer-Encoding: chunked", "Connection: close"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall("\r\n".join([*head, "", ""]).encode())
        yield line


def post(shop, path, raw, content_type=JSON, **headers):
    with line_to(shop, path, content_type, **headers) as line:
        line.sendall(raw)
        return heard(line)


def heard(line):
    """Status, headers and body of what came."""
    head, _, body = line.makefile("rb").read().partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


@pytest.mark.parametrize("content_type", BODIES)
def test_a_login_without_a_length_is_read(shop, content_type):
    status, _, body = post(shop, LOGIN_PATH, chunks(BODIES[content_type]), content_type)

    assert (status, "access" in json.loads(body)) == (200, True)


def test_a_form_of_the_admin_without_a_length_is_read(shop):
    page = requests.get(f"{shop.url}/admin/login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    said = {"username": "staff@example.com", "password": PASSWORD, "csrfmiddlewaretoken": token}

    cookie = f"csrftoken={page.cookies['csrftoken']}"
    status, head, _ = post(
        shop, "/admin/login/?next=/admin/", chunks(urlencode(said).encode()), FORM, Cookie=cookie
    )

    assert status == 302
    assert "location: /admin/" in head


def calls():
    """An authentic call of each generation about an order that is not ours."""
    v1, v2 = PUBLISHED[Merchant.Generation.V1], PUBLISHED[Merchant.Generation.V2]
    response = "eyJzdWNjZXNzIjogdHJ1ZX0="
    mark = hashlib.sha256(f"{response}{v1['salt_key']}".encode()).hexdigest()
    yield "v1", {"X_VERIFY": f"{mark}###{v1['salt_index']}"}, json.dumps({"response": response}).encode()
    login = f"{v2['webhook_username']}:{v2['webhook_password']}"
    event = {
        "event": "checkout.order.completed",
        "payload": {"merchantOrderId": "NOT-OURS", "state": "COMPLETED"},
    }
    yield "v2", {"Authorization": hashlib.sha256(login.encode()).hexdigest()}, json.dumps(event).encode()


@pytest.mark.parametrize(
    ("headers", "body"), [call[1:] for call in calls()], ids=[call[0] for call in calls()]
)
def test_a_webhook_without_a_length_is_kept_whole(shop, headers, body):
    before = len(kept(shop))

    assert post(shop, WEBHOOK, chunks(body), **headers)[0] == 200

    assert len(kept(shop)) == before + 1
    assert bytes(kept(shop)[-1][0]) == body


def test_a_webhook_whose_body_was_lost_is_not_kept(shop):
    before, headers = kept(shop), list(calls())[1][1]

    status, _, body = post(shop, WEBHOOK, b"0\r\n\r\n", **headers)

    assert (status, json.loads(body)["code"], kept(shop)) == (400, "empty_body", before)


def kept(shop):
    return shop.query("SELECT body FROM payment_webhookevent ORDER BY id")


@pytest.mark.parametrize("path", [LOGIN_PATH, "/admin/login/", "/api/payments/payments/1/check-and-process/"])
@pytest.mark.parametrize(
    "raw",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-1\r\n{}",
        b"5\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}0\r\n\r\n",
        b"\r\n\r\n",
        b"x" * 10_000,
    ],
)
def test_chunks_that_are_none_are_refused(shop, path, raw):
    with line_to(shop, path) as line:
        line.sendall(raw)
        line.shutdown(socket.SHUT_WR)
        assert heard(line)[0] == 400


@pytest.mark.parametrize("size", [1_048_577, 5_000_000])
def test_a_body_above_the_limit_is_told_so(shop, size):
    status, _, body = post(shop, LOGIN_PATH, chunks(b"x" * size, 65_536))

    assert (status, json.loads(body)["code"]) == (413, "too_large")


@pytest.mark.parametrize("start", [b"", b"5\r\n{", b"5", b"2\r\n{}\r\n"])
def test_a_body_that_stops_gives_its_thread_back(shop, start):
    with line_to(shop, LOGIN_PATH) as line:
        line.sendall(start)
        status, _, body = heard(line)  # which ends: the server has let go of the line

    assert (status, json.loads(body)["code"]) == (408, "body_too_slow")


def test_a_body_that_drips_for_ever_gives_its_thread_back(shop):
    """Every read gets its byte in time, so that no read alone is ever late."""
    with line_to(shop, LOGIN_PATH) as line:
        line.sendall(b"fffff\r\n")
        line.settimeout(0.1)
        for _ in range(600):
            try:
                line.sendall(b" ")
                said = line.recv(4096)
            except TimeoutError:
                continue
            break
    assert said.startswith(b"HTTP/1.1 408")


def test_bodies_with_a_length_have_no_more_time(shop):
    address = urlsplit(shop.url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(
            f"POST {LOGIN_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        assert heard(line)[0] == 408


def test_two_requests_on_one_line_are_kept_apart(shop):
    """Whatever follows a body belongs to the next request, and to nobody's body."""
    body = chunks(BODIES[JSON])
    address = urlsplit(shop.url)
    head = f"POST {LOGIN_PATH} HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Content-Type: {JSON}\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(f"{head}\r\n".encode() + body + f"{head}Connection: close\r\n\r\n".encode() + body)
        said = line.makefile("rb").read()

    assert said.count(b"HTTP/1.1 200") == 2


def test_a_picture_of_five_megabytes_arrives_and_a_larger_body_is_told_so(shop):
    token = requests.post(f"{shop.url}{LOGIN_PATH}", json=LOGIN, timeout=30).json()["access"]

    def send(content: bytes) -> requests.Response:
        return requests.patch(
            f"{shop.url}/api/auth/profile/picture/",
            files={"profile_picture": ("me.jpg", content, "image/jpeg")},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    written = BytesIO()
    Image.effect_noise((1_500, 1_500), 200).save(written, "JPEG", quality=97)
    picture = written.getvalue()
    assert 1_048_576 < len(picture) <= 5 * 1_048_576
    answer = send(picture)
    assert answer.status_code == 200, answer.text
    shown = requests.get(answer.json()["profile_picture"], timeout=30)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/jpeg")
    assert (send(picture + b"x" * 5 * 1_048_576).status_code, send(b"\0" * 8 * 1_048_576).status_code) == (
        413,
        413,
    )

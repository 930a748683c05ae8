"""Rows about PhonePe's webhooks: our public address, with something in front of it that breaks the calls."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from django.db import connections
from django.test import Client

from diagnostics.enums import Verdict
from tests.integration.wire.endpoints import Request
from tests.integration.wire.faults import message
from tests.system.lab import actors
from tests.system.lab.actors import Answer
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import CONFIGURATION, PAGE, THIS_SERVER
from tests.system.lab.testbed import SHOP, Host, Testbed

GENERATIONS = ("v1", "v2")


def ours(request: Request) -> bytes:
    """What our own application answers to what arrived."""
    kind = request.headers.get("Content-Type", "")
    headers = {name: value for name, value in request.headers.items() if not name.startswith("Content-")}
    try:
        said = Client().generic(
            request.method, request.path, request.body, kind, secure=True, headers={**headers, "Host": SHOP}
        )
    finally:
        connections.close_all()
    return message(said.status_code, said.content, said.headers["Content-Type"])


def without_proof(request: Request) -> bytes:
    """A server in front that keeps the header to itself."""
    request.headers.pop("Authorization", None)
    return ours(request)


def written_anew(request: Request) -> bytes:
    body = json.dumps(json.loads(request.body)).encode()
    return ours(Request(request.method, request.path, request.headers, body))


def chunks_dropped(request: Request) -> bytes:
    """Some servers pass on what comes in chunks without its body."""
    body = b"" if request.headers.pop("Transfer-Encoding", "") else request.body
    return ours(Request(request.method, request.path, request.headers, body))


def chunks_refused(request: Request) -> bytes:
    return message(411, b"Length Required", "text/plain") if _is_chunked(request) else ours(request)


def chunks_hang(request: Request) -> bytes:
    return actors.wait_for_ever(request) if _is_chunked(request) else ours(request)


def _is_chunked(request: Request) -> bool:
    return "Transfer-Encoding" in request.headers


def slash_added(status: int) -> Answer:
    """A redirect to the same address with its slash: whoever follows a 301 sends no body any more."""

    def answer(request: Request) -> bytes:
        if request.path.endswith("/"):
            return ours(request)
        return message(status, b"", "text/html", f"Location: https://{SHOP}{request.path}/")

    return answer


def slash_unknown(request: Request) -> bytes:
    return ours(request) if request.path.endswith("/") else message(404, PAGE, "text/html")


def limited(most: int) -> Answer:
    return lambda request: message(413, PAGE, "text/html") if len(request.body) > most else ours(request)


def prompting(request: Request) -> bytes:
    """A login before the whole site, as on a stage for tests."""
    return message(401, PAGE, "text/html", 'WWW-Authenticate: Basic realm="staging"')


def without_body(request: Request) -> bytes:
    return ours(Request(request.method, request.path, {**request.headers, "Content-Length": "0"}, b""))


def shortened(request: Request) -> bytes:
    return ours(Request(request.method, request.path, request.headers, request.body.strip()))


def without_own_header(request: Request) -> bytes:
    known = {name: value for name, value in request.headers.items() if not name.startswith("X-Self")}
    return ours(Request(request.method, request.path, known, request.body))


def of_the_last_century(request: Request) -> bytes:
    return ours(request).replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def a_little_late(request: Request) -> bytes:
    time.sleep(1.4)
    return ours(request)


def of_another_installation(request: Request) -> bytes:
    """Same login, another SECRET_KEY: a token of ours means nothing to it."""
    request.headers.pop("X-Self-Test", None)
    return ours(request)


def late(request: Request) -> bytes:
    time.sleep(3.2)  # PhonePe waits three seconds
    return ours(request)


def rows() -> Iterator[Case]:
    for generation in GENERATIONS:
        yield Case("our webhook works", generation, "webhook", shop_with({"answer": ours}), OK, NONE)
    for title, change, finding, culprit, named in (*NOT_OURS, *TOO_SLOW, *CHANGED):
        yield _unreachable(title, shop_with(change), culprit, finding, named)
    for title, answer, finding, named in NOTES:
        yield Case(
            title, "v2", "webhook", shop_with({"answer": answer}), OK, NONE, finding, dependency="webhook",
            named=named,
        )  # fmt: skip
    for title, answer in (
        ("speaks HTTP/1.0", of_the_last_century),
        ("takes a second and a half", a_little_late),
    ):
        yield Case(f"webhook {title}", "v2", "webhook", shop_with({"answer": answer}), OK, NONE)
    for address in ("https://10.1.2.3", "https://192.168.7.7:8443", "https://shop.internal"):
        yield _unreachable(
            f"our address is {address}", _at(address), CONFIGURATION, "private", "PUBLIC_BASE_URL"
        )
    yield from _encryption_rows()
    yield from _rows_from_inside()


def _unreachable(
    title: str, arrange: Callable[[Testbed], object], culprit: str, finding: str, named: str
) -> Case:
    return Case(
        title, "v2", "webhook", arrange, Verdict.WEBHOOK_UNREACHABLE, culprit, finding, dependency="webhook",
        named=named,
    )  # fmt: skip


def _encryption_rows() -> Iterator[Case]:
    yield _unreachable("our address is http", _at("http://shop.example"), CONFIGURATION, "plain", "https://")
    no_tls = shop_with({"behave": actors.tell(message(400, b""))})
    yield _unreachable("webhook without TLS", no_tls, THIS_SERVER, "tls", SHOP)
    yield _unreachable("webhook cut", shop_with({"behave": actors.cut}), THIS_SERVER, "tls", SHOP)
    for title, certified, named in (
        ("our certificate has expired", _certified(ends=-timedelta(days=3)), "expired on"),
        ("our certificate expired an hour ago", _certified(ends=-timedelta(hours=1)), "expired on"),
        ("our certificate is valid tomorrow", _certified(starts=timedelta(days=1)), "not valid before"),
        ("our certificate has another name", _certified("www.shop.example"), "is for www.shop.example"),
        ("our certificate is for the domain below", _certified("*.shop.example"), "is for *.shop.example"),
        ("own certificate signed by itself", _by_itself, "self-signed"),
    ):
        yield _unreachable(title, certified, THIS_SERVER, "tls", named)
    yield _unreachable(
        "own certificate of an unknown authority", _untrusted, THIS_SERVER, "tls", "full chain"
    )


def _rows_from_inside() -> Iterator[Case]:
    """This server cannot reach its own address, which says nothing about PhonePe."""
    for title, change in (
        ("not reached from inside", {"lives_here": False}),
        ("refuses from inside", {"listens": False}),
        ("not resolved from inside", {"told": "SERVFAIL"}),
        ("without an address from inside", {"told": []}),
        ("in a private network from inside", {"answer": ours, "address": "10.66.0.8"}),
    ):
        yield Case(
            f"own address {title}", "v2", "webhook", shop_with(change), OK, NONE, "unsure", dependency="webhook",
            named="curl -sS -i -X POST https://shop.example/api/payments/webhook/phonepe/",
        )  # fmt: skip


def shop_with(change: dict[str, object]) -> Callable[[Testbed], Host]:
    def arrange(testbed: Testbed) -> Host:
        testbed.settings["PUBLIC_BASE_URL"] = f"https://{SHOP}"
        shop = testbed.add_host(SHOP, "192.0.2.80", 443, None)
        vars(shop).update(change)
        return shop

    return arrange


def _at(address: str) -> Callable[[Testbed], object]:
    return lambda testbed: testbed.settings.update(PUBLIC_BASE_URL=address)


def _certified(name: str = SHOP, **dates: timedelta) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        shop_with({"answer": ours})(testbed).certificate = testbed.public.issue(name, **dates)

    return arrange


def _by_itself(testbed: Testbed) -> None:
    shop_with({"answer": ours})(testbed).certificate = testbed.stranger.issue_for_itself(SHOP, SHOP)


def _untrusted(testbed: Testbed) -> None:
    shop_with({"answer": ours})(testbed).certificate = testbed.stranger.issue(SHOP)


def _says(status: int, body: bytes, *headers: str) -> dict[str, Answer]:
    return {"answer": actors.says(status, body, "text/html", *headers)}


# What is in front of our webhook, its finding, who must act, and what the advice names.
Row = tuple[str, dict[str, object], str, str, str]
NOT_OURS: tuple[Row, ...] = (
    ("webhook redirects", _says(301, b"", "Location: https://www.shop.example/"), "redirect", CONFIGURATION, SHOP),
    ("our address does not exist", {"told": "NXDOMAIN"}, "name_unknown", CONFIGURATION, "dig @1.1.1.1 shop.example"),
    ("somebody answers 200 to all", _says(200, b"{}"), "open", THIS_SERVER, SHOP),
    ("a challenge in front of our webhook", _says(403, PAGE), "other", THIS_SERVER, SHOP),
    ("a password prompt in front of our webhook", {"answer": prompting}, "other", THIS_SERVER, "password prompt"),
    ("webhook redirects, 302", _says(302, b"", "Location: http://shop.example/maintenance"), "redirect", CONFIGURATION,
     SHOP),
    ("webhook redirects, 307", _says(307, b"", "Location: https://shop.example/hi/"), "redirect", CONFIGURATION, SHOP),
    ("a Digest prompt in front of our webhook", _says(401, PAGE, 'WWW-Authenticate: Digest realm="x", nonce="1"'),
     "other", THIS_SERVER, "password prompt"),
    ("a challenge of Cloudflare", _says(403, b"<html><title>Just a moment...</title></html>"), "other", THIS_SERVER,
     "Just a moment"),
    ("a page for maintenance", _says(503, b"<html><title>Back soon</title></html>"), "other", THIS_SERVER,
     "does not reach our application"),
    ("too many calls, says the server in front", _says(429, PAGE), "other", THIS_SERVER, "HTTP 429"),
    ("a web server's first page", _says(200, b"<html><title>Welcome to nginx!</title></html>"), "open", THIS_SERVER,
     "Welcome to nginx"),
    ("no such page, says the server in front", _says(404, PAGE), "other", THIS_SERVER, "does not pass"),
    ("only GET, says the server in front", _says(405, PAGE), "other", THIS_SERVER, "does not pass"),
    ("our server does not run", _says(502, PAGE), "other", THIS_SERVER, "does not reach our application"),
    ("another installation answers", {"answer": of_another_installation}, "changed", THIS_SERVER,
     "another installation"),
)  # fmt: skip
TOO_SLOW: tuple[Row, ...] = (
    ("webhook answers late", {"answer": late}, "slow", THIS_SERVER, SHOP),
    ("webhook silent", {"answer": actors.wait_for_ever}, "slow", THIS_SERVER, SHOP),
)
CHANGED: tuple[Row, ...] = (
    ("Authorization is taken away", {"answer": without_proof}, "refuses", THIS_SERVER, SHOP),
    ("bodies are written anew", {"answer": written_anew}, "changed", THIS_SERVER, SHOP),
    ("bodies are taken away", {"answer": without_body}, "changed", THIS_SERVER, "body"),
    ("bodies lose their last line end", {"answer": shortened}, "changed", THIS_SERVER, "byte by byte"),
    (
        "unknown headers are taken away",
        {"answer": without_own_header},
        "changed",
        THIS_SERVER,
        "another installation",
    ),
    ("webhook hangs up on each call", {"answer": actors.hang_up}, "other", THIS_SERVER, "cut before"),
    ("bodies up to 50 bytes", {"answer": limited(50)}, "limit", THIS_SERVER, "HTTP 413"),
    ("bodies up to 2 KiB", {"answer": limited(2_048)}, "limit", THIS_SERVER, "client_max_body_size"),
)
# PhonePe sends small bodies with their length, to the address as it was entered. Others may not.
NOTES: tuple[tuple[str, Answer, str, str], ...] = (
    ("chunked bodies are dropped", chunks_dropped, "chunked", "Transfer-Encoding"),
    ("chunked bodies are refused", chunks_refused, "chunked", "Transfer-Encoding"),
    ("chunked bodies hang", chunks_hang, "chunked", "Transfer-Encoding"),
    ("a 301 adds the slash", slash_added(301), "slash", "last slash"),
    ("a 308 adds the slash", slash_added(308), "slash", "last slash"),
    ("no address without the slash", slash_unknown, "slash", "last slash"),
    ("bodies up to 8 KiB", limited(8_192), "limit", "16 KiB"),
)

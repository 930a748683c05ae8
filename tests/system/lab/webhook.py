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


def of_another_installation(request: Request) -> bytes:
    """Same login, another SECRET_KEY: a token of ours means nothing to it."""
    request.headers.pop("X-Self-Test", None)
    return ours(request)


def late(request: Request) -> bytes:
    time.sleep(3.2)  # PhonePe waits three seconds
    return ours(request)


def rows() -> Iterator[Case]:
    for generation in GENERATIONS:
        yield Case(
            "PhonePe's way to us is open", generation, "our door", shop_with({"answer": ours}), OK, NONE
        )
    for title, change, finding, culprit, named in (*NOT_OURS, *TOO_SLOW, *CHANGED, *CHUNKED, *SLASH, *LIMITS):
        yield _unreachable(title, shop_with(change), culprit, finding, named)
    yield from _encryption_rows()
    yield from _rows_from_inside()


def _unreachable(
    title: str, arrange: Callable[[Testbed], object], culprit: str, finding: str, named: str
) -> Case:
    return Case(
        title, "v2", "our door", arrange, Verdict.WEBHOOK_UNREACHABLE, culprit, finding, dependency="webhook",
        named=named,
    )  # fmt: skip


def _encryption_rows() -> Iterator[Case]:
    yield _unreachable("our address is http", _at("http://shop.example"), CONFIGURATION, "plain", "https://")
    no_tls = shop_with({"behave": actors.tell(message(400, b""))})
    yield _unreachable("door without TLS", no_tls, THIS_SERVER, "tls", SHOP)
    expired = _certified(ends=-timedelta(days=3))
    yield _unreachable("our certificate has expired", expired, THIS_SERVER, "tls", "expired on")
    of_another_name = _certified("www.shop.example")
    yield _unreachable(
        "our certificate has another name", of_another_name, THIS_SERVER, "tls", "is for www.shop.example"
    )
    yield _unreachable("own certificate of nobody's", _untrusted, THIS_SERVER, "tls", "full chain")


def _rows_from_inside() -> Iterator[Case]:
    """This server cannot reach its own address, which says nothing about PhonePe."""
    for title, change in (
        ("not reached from inside", {"lives_here": False}),
        ("refuses from inside", {"listens": False}),
        ("not resolved from inside", {"told": "SERVFAIL"}),
    ):
        yield Case(
            f"own address {title}", "v2", "our door", shop_with(change), OK, NONE, "unsure", dependency="webhook",
            named="curl -sS -i -X POST https://shop.example/api/payments/webhook/phonepe/",
        )  # fmt: skip


def shop_with(change: dict[str, object]) -> Callable[[Testbed], Host]:
    def arrange(testbed: Testbed) -> Host:
        testbed.settings["PUBLIC_BASE_URL"] = f"https://{SHOP}"
        shop = testbed.neighbour(SHOP, "192.0.2.80", 443, None)
        vars(shop).update(change)
        return shop

    return arrange


def _at(address: str) -> Callable[[Testbed], object]:
    return lambda testbed: testbed.settings.update(PUBLIC_BASE_URL=address)


def _certified(name: str = SHOP, **dates: timedelta) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        shop_with({"answer": ours})(testbed).certificate = testbed.public.issue(name, **dates)

    return arrange


def _untrusted(testbed: Testbed) -> None:
    shop_with({"answer": ours})(testbed).certificate = testbed.stranger.issue(SHOP)


def _says(status: int, body: bytes, *headers: str) -> dict[str, Answer]:
    return {"answer": actors.says(status, body, "text/html", *headers)}


# What is in front of our door, its finding, who must act, and what the advice names.
Row = tuple[str, dict[str, object], str, str, str]
NOT_OURS: tuple[Row, ...] = (
    ("door redirects", _says(301, b"", "Location: https://www.shop.example/"), "redirect", CONFIGURATION, SHOP),
    ("our address does not exist", {"told": "NXDOMAIN"}, "name_unknown", CONFIGURATION, "dig @1.1.1.1 shop.example"),
    ("somebody answers 200 to all", _says(200, b"{}"), "open", THIS_SERVER, SHOP),
    ("a challenge in front of our door", _says(403, PAGE), "other", THIS_SERVER, SHOP),
    ("a password prompt in front of our door", {"answer": prompting}, "other", THIS_SERVER, "password prompt"),
    ("our server does not run", _says(502, PAGE), "other", THIS_SERVER, "does not reach our application"),
    ("another installation answers", {"answer": of_another_installation}, "changed", THIS_SERVER,
     "another installation"),
)  # fmt: skip
TOO_SLOW: tuple[Row, ...] = (
    ("door answers late", {"answer": late}, "slow", THIS_SERVER, SHOP),
    ("door silent", {"answer": actors.wait_for_ever}, "slow", THIS_SERVER, SHOP),
)
CHANGED: tuple[Row, ...] = (
    ("Authorization is taken away", {"answer": without_proof}, "refuses", THIS_SERVER, SHOP),
    ("bodies are written anew", {"answer": written_anew}, "changed", THIS_SERVER, SHOP),
)
CHUNKED: tuple[Row, ...] = (
    ("chunked bodies are dropped", {"answer": chunks_dropped}, "chunked", THIS_SERVER, "Transfer-Encoding"),
    ("chunked bodies are refused", {"answer": chunks_refused}, "chunked", THIS_SERVER, "Transfer-Encoding"),
    ("chunked bodies hang", {"answer": chunks_hang}, "chunked", THIS_SERVER, "Transfer-Encoding"),
)
SLASH: tuple[Row, ...] = (
    ("a 301 adds the slash", {"answer": slash_added(301)}, "slash", THIS_SERVER, "last slash"),
    ("a 308 adds the slash", {"answer": slash_added(308)}, "slash", THIS_SERVER, "last slash"),
    ("no address without the slash", {"answer": slash_unknown}, "slash", THIS_SERVER, "last slash"),
)
LIMITS: tuple[Row, ...] = (
    ("bodies up to 8 KiB", {"answer": limited(8_192)}, "limit", THIS_SERVER, "16 KiB"),
    ("bodies up to 50 bytes", {"answer": limited(50)}, "limit", THIS_SERVER, "HTTP 413"),
)

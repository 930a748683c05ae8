"""Rows about PhonePe's webhooks: our public address, with something in front of it that breaks the calls."""

import json
import time
from collections.abc import Callable, Iterator

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


def late(request: Request) -> bytes:
    time.sleep(3.2)  # PhonePe waits three seconds
    return ours(request)


def rows() -> Iterator[Case]:
    for generation in GENERATIONS:
        yield Case("PhonePe's way to us is open", generation, "our door", _shop({"answer": ours}), OK, NONE)
    for title, change, finding, culprit in (
        ("door redirects", _says(301, b"", "Location: https://www.shop.example/"), "redirect", CONFIGURATION),
        ("Authorization is taken away", {"answer": without_proof}, "refuses", THIS_SERVER),
        ("bodies are written anew", {"answer": written_anew}, "changed", THIS_SERVER),
        ("somebody answers 200 to all", _says(200, b"{}"), "open", THIS_SERVER),
        ("a challenge in front of our door", _says(403, PAGE), "other", THIS_SERVER),
        ("door answers late", {"answer": late}, "slow", THIS_SERVER),
        ("door silent", {"answer": actors.wait_for_ever}, "slow", THIS_SERVER),
        ("door without TLS", {"behave": actors.tell(message(400, b""))}, "tls", THIS_SERVER),
    ):
        yield Case(
            title, "v2", "our door", _shop(change), Verdict.WEBHOOK_UNREACHABLE, culprit, finding, dependency="webhook",
            named=SHOP,
        )  # fmt: skip
    yield Case(
        "own certificate of nobody's", "v2", "our door", _untrusted, Verdict.WEBHOOK_UNREACHABLE, THIS_SERVER, "tls",
        dependency="webhook", named=SHOP,
    )  # fmt: skip
    yield Case(
        "own address not reached from inside", "v2", "our door", _shop({"lives_here": False}), OK, NONE, "unsure",
        dependency="webhook",
    )  # fmt: skip


def _shop(change: dict[str, object]) -> Callable[[Testbed], Host]:
    def arrange(testbed: Testbed) -> Host:
        testbed.settings["PUBLIC_BASE_URL"] = f"https://{SHOP}"
        shop = testbed.neighbour(SHOP, "192.0.2.80", 443, None)
        vars(shop).update(change)
        return shop

    return arrange


def _untrusted(testbed: Testbed) -> None:
    _shop({"answer": ours})(testbed).certificate = testbed.stranger.issue(SHOP)


def _says(status: int, body: bytes, *headers: str) -> dict[str, Answer]:
    return {"answer": actors.says(status, body, "text/html", *headers)}

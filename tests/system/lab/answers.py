"""Rows about what PhonePe answers: its words for paths and clients, and every code that our table knows."""

import json
from collections.abc import Callable, Iterator

from diagnostics.enums import Culprit, Verdict
from tests.system.lab import actors
from tests.system.lab.case import Case
from tests.system.lab.faults import CONFIGURATION, HTML, PHONEPE
from tests.system.lab.testbed import Testbed

V = Verdict
CREDENTIALS = Culprit.CREDENTIALS
NO_ROUTE = {"message": "no Route matched with those Values"}
UNMAPPED = {"message": "Bad Request - Api Mapping Not Found"}
# status, body, verdict, who must act, what is named
WORDS: tuple[tuple[str, int, object, Verdict, str, str], ...] = (
    ("no route at PhonePe's gateway", 404, NO_ROUTE, V.WRONG_BASE_URL, CONFIGURATION, "no Route matched"),
    ("path not mapped", 400, UNMAPPED, V.WRONG_BASE_URL, CONFIGURATION, "Api Mapping Not Found"),
    ("path not mapped, with a code", 400, {"code": "BAD_REQUEST"} | UNMAPPED, V.WRONG_BASE_URL, CONFIGURATION, ""),
    ("path not found", 404, {"error": "Not Found", "path": "/apis/pgsandbox"}, V.WRONG_BASE_URL, CONFIGURATION, ""),
    ("a code of next year, 404", 404, {"code": "NO_SUCH_THING"}, V.WRONG_BASE_URL, CONFIGURATION, "NO_SUCH_THING"),
    ("a page, 404", 404, "<html><title>404 Not Found</title></html>", V.WRONG_BASE_URL, CONFIGURATION, ""),
    ("client not found", 404, {"message": "Not Found: Client Not Found, trackingId: 00ab"}, V.WRONG_ENVIRONMENT,
     CREDENTIALS, "Client Not Found"),
    ("client not found, 400", 400, {"message": "Bad Request: Client Not Found"}, V.WRONG_ENVIRONMENT, CREDENTIALS, ""),
)  # fmt: skip
CODES: tuple[tuple[str, int, Verdict, str, str], ...] = (
    ("INTERNAL_SECURITY_BLOCK", 403, V.MISCONFIGURED, CREDENTIALS, "account status"),
    ("INTERNAL_SECURITY_BLOCK_1", 400, V.MISCONFIGURED, CREDENTIALS, "registered website"),
    ("INTERNAL_SECURITY_BLOCK_2", 200, V.MISCONFIGURED, CREDENTIALS, "account status"),
    ("INTERNAL_SECURITY_BLOCK_6", 500, V.MISCONFIGURED, CREDENTIALS, "account status"),
    ("FORBIDDEN", 403, V.MISCONFIGURED, CREDENTIALS, "account status"),
    ("KEY_NOT_CONFIGURED", 404, V.KEY_NOT_CONFIGURED, CREDENTIALS, "PHONEPE_CLIENT_ID"),
    ("AUTHORIZATION_FAILED", 400, V.BAD_CREDENTIALS, CREDENTIALS, "API keys"),
    ("OIM004", 401, V.BAD_CREDENTIALS, CREDENTIALS, "client version"),
    ("BAD_REQUEST", 400, V.MISCONFIGURED, CONFIGURATION, "a member of the request"),
    ("404", 404, V.WRONG_BASE_URL, CONFIGURATION, "PHONEPE_BASE_URL"),
    ("TOO_MANY_REQUESTS", 400, V.RATE_LIMITED, PHONEPE, "shared test"),
    ("R999", 503, V.PHONEPE_DOWN, PHONEPE, "PhonePe is down"),
    ("INTERNAL_SERVER_ERROR", 400, V.PHONEPE_DOWN, PHONEPE, "merchant support"),
    ("PG_BACKBONE_ERROR", 400, V.PHONEPE_DOWN, PHONEPE, "PhonePe's own gateway"),
    ("Z9", 400, V.PHONEPE_DOWN, PHONEPE, "not enough money"),
)


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, status, body, verdict, culprit, named in WORDS:
            yield Case(title, generation, "both", saying(status, body), verdict, culprit, named=named)
        for code, status, verdict, culprit, named in CODES:
            body = {"success": False, "code": code, "message": "PhonePe's sentence"}
            yield Case(
                f"code {code}", generation, "both", saying(status, body), verdict, culprit, named=named
            )


def saying(status: int, body: object) -> Callable[[Testbed], None]:
    """To the status request and the request for a token; probes get PhonePe's usual answer."""
    is_page = isinstance(body, str)
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = actors.says(status, sent, HTML if is_page else "application/json")

    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.answer = actors.only_questions(answer)

    return arrange

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
    ("no route, another sentence", 404, {"message": "no route and no API found with those values"}, V.WRONG_BASE_URL,
     CONFIGURATION, "no route and no API"),
    ("text of a web server, 404", 404, b"404 page not found", V.WRONG_BASE_URL, CONFIGURATION, "PHONEPE_BASE_URL"),
    ("nothing, 404", 404, b"", V.WRONG_BASE_URL, CONFIGURATION, "PHONEPE_BASE_URL"),
    ("no such resource", 404, {"status": 404, "error": "Not Found", "message": "No message available"},
     V.WRONG_BASE_URL, CONFIGURATION, "No message available"),
    ("cannot GET", 404, "<!DOCTYPE html><pre>Cannot GET /apis/pg/checkout</pre>", V.WRONG_BASE_URL, CONFIGURATION, ""),
    ("path not mapped, as an error", 400, {"error": "Api Mapping Not Found"}, V.WRONG_BASE_URL, CONFIGURATION,
     "Api Mapping Not Found"),
    ("method not allowed", 405, {"message": "Method Not Allowed"}, V.WRONG_BASE_URL, CONFIGURATION,
     "PHONEPE_BASE_URL"),
    ("gone", 410, {"message": "This API has been retired"}, V.WRONG_BASE_URL, CONFIGURATION, "retired"),
    ("a client code, 404", 404, {"code": "CLIENT_NOT_FOUND"}, V.WRONG_ENVIRONMENT, CREDENTIALS, "PHONEPE_ENV"),
    ("no such client id", 404, {"message": "Client id not found"}, V.WRONG_ENVIRONMENT, CREDENTIALS, "PHONEPE_ENV"),
    ("a client that does not exist", 400, {"message": "Client does not exist"}, V.WRONG_ENVIRONMENT, CREDENTIALS,
     "PHONEPE_ENV"),
    ("merchant not found", 404, {"message": "Merchant Not Found"}, V.WRONG_ENVIRONMENT, CREDENTIALS, "PHONEPE_ENV"),
    ("invalid_client of OAuth, 400", 400, {"error": "invalid_client", "error_description": "Bad client credentials"},
     V.BAD_CREDENTIALS, CREDENTIALS, "dashboard"),
    ("unauthorized_client of OAuth", 401, {"error": "unauthorized_client"}, V.BAD_CREDENTIALS, CREDENTIALS,
     "dashboard"),
    ("401 without a code", 401, b"", V.BAD_CREDENTIALS, CREDENTIALS, "dashboard"),
    ("401 with a code of next year", 401, {"code": "TOKEN_REVOKED", "message": "revoked"}, V.BAD_CREDENTIALS,
     CREDENTIALS, "TOKEN_REVOKED"),
    ("401 with a page", 401, "<html><title>401 Authorization Required</title></html>", V.BAD_CREDENTIALS, CREDENTIALS,
     "dashboard"),
    ("403 of an API gateway", 403, {"message": "Forbidden"}, V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("403 without a code", 403, b"", V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("error code 1020 of Cloudflare", 403, b"error code: 1020", V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("Cloudflare's block page", 403, "<html><title>Attention Required! | Cloudflare</title></html>", V.HTTP_BLOCKED,
     PHONEPE, "message below"),
    ("Akamai's block page", 403, "<HTML><HEAD><TITLE>Access Denied</TITLE></HEAD>Reference&#32;&#35;18.2d</HTML>",
     V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("Imperva's page with 200", 200, "<html><head><META NAME=ROBOTS></head>Incapsula incident ID: 1-2</html>",
     V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("F5's page with 200", 200, "<html><title>Request Rejected</title>Your support ID is: 12</html>", V.HTTP_BLOCKED,
     PHONEPE, "message below"),
    ("a load balancer's 400 page", 400, "<html><title>400 Bad Request</title></html>", V.HTTP_BLOCKED, PHONEPE,
     "message below"),
    ("451", 451, "<html><title>Unavailable For Legal Reasons</title></html>", V.HTTP_BLOCKED, PHONEPE, "message below"),
    ("a challenge with 503", 503, "<html><title>Just a moment...</title></html>", V.PHONEPE_DOWN, PHONEPE, "503"),
    ("520 of Cloudflare", 520, b"error code: 520", V.PHONEPE_DOWN, PHONEPE, "520"),
    ("504 with JSON", 504, {"message": "Endpoint request timed out"}, V.PHONEPE_DOWN, PHONEPE, "504"),
    ("408", 408, b"", V.PHONEPE_DOWN, PHONEPE, "408"),
    ("a list in the place of an object", 200, [1, 2], V.PHONEPE_DOWN, PHONEPE, ""),
    ("nothing with 200", 200, b"", V.PHONEPE_DOWN, PHONEPE, ""),
    ("429 with a page", 429, "<html><title>Too Many Requests</title></html>", V.RATE_LIMITED, PHONEPE, "Wait"),
    ("429 without a code", 429, b"", V.RATE_LIMITED, PHONEPE, "Wait"),
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
    ("INTERNAL_SECURITY_BLOCK_3", 400, V.MISCONFIGURED, CREDENTIALS, "account status"),
    ("INTERNAL_SECURITY_BLOCK_4", 403, V.MISCONFIGURED, CREDENTIALS, "Android app"),
    ("INTERNAL_SECURITY_BLOCK_5", 400, V.MISCONFIGURED, CREDENTIALS, "policies"),
    ("OIM000", 401, V.BAD_CREDENTIALS, CREDENTIALS, "client id, secret or version"),
    ("INVALID_CLIENT", 400, V.BAD_CREDENTIALS, CREDENTIALS, "API keys"),
    ("401", 401, V.BAD_CREDENTIALS, CREDENTIALS, "X-VERIFY"),
    ("400", 400, V.MISCONFIGURED, CONFIGURATION, "base64"),
    ("500", 500, V.PHONEPE_DOWN, PHONEPE, "merchant support"),
    ("SPLIT_SETTLEMENT_NOT_ENABLED", 400, V.MISCONFIGURED, CREDENTIALS, "split settlement"),
    ("Z9", 400, V.PHONEPE_DOWN, PHONEPE, "not enough money"),
)


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, status, body, verdict, culprit, named in WORDS:
            yield Case(title, generation, "both", saying(status, body), verdict, culprit, named=named)
        for title, status, headers, verdict, culprit, named in HEADERS:
            yield Case(
                title, generation, "both", saying(status, b"", *headers), verdict, culprit, named=named
            )
        for code, status, verdict, culprit, named in CODES:
            body = {"success": False, "code": code, "message": "PhonePe's sentence"}
            yield Case(
                f"code {code}", generation, "both", saying(status, body), verdict, culprit, named=named
            )


# With these headers besides: status, headers, verdict, who must act, what is named.
HEADERS: tuple[tuple[str, int, tuple[str, ...], Verdict, str, str], ...] = (
    ("429, wait 120 s", 429, ("Retry-After: 120",), V.RATE_LIMITED, PHONEPE, "120 s"),
    ("429, wait until a date", 429, ("Retry-After: Fri, 31 Dec 2027 23:59:59 GMT",), V.RATE_LIMITED, PHONEPE, "Wait"),
    ("503, wait 60 s", 503, ("Retry-After: 60",), V.PHONEPE_DOWN, PHONEPE, "503"),
    *(
        (f"{status} of the status request only", status, ("Location: https://www.phonepe.com/",), V.HTTP_BLOCKED,
         CONFIGURATION, "PHONEPE_BASE_URL")
        for status in (301, 302, 307, 308)
    ),
)  # fmt: skip


def saying(status: int, body: object, *headers: str) -> Callable[[Testbed], None]:
    """To the status request and the request for a token; probes get PhonePe's usual answer."""
    kind = {str: HTML, bytes: "text/plain"}.get(type(body), "application/json")
    sent = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    answer = actors.says(status, sent, kind, *headers)

    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.answer = actors.only_questions(answer)

    return arrange

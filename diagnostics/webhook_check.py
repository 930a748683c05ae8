"""Our own webhook URL as PhonePe calls it: https, no redirect, authenticated, body unchanged, in time."""

import ipaddress
import time
from urllib.parse import urlsplit

from django.conf import settings

from core.logging import redact
from diagnostics.dependencies import CheckResult
from diagnostics.dns import is_address
from diagnostics.probes import describe_answer, is_redirect, root_cause
from payment.phonepe import self_test
from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import Stage
from payment.phonepe.errors import WIRE_ERRORS
from payment.phonepe.schemas import json_object
from payment.phonepe.transport import Answer, Deadline, InFlightRequest, Resolver, Session

# Not read from the URL configuration: a diagnosis must work where that cannot even be loaded.
PATH = "/api/payments/webhook/phonepe/"
PHONEPE_TIMEOUT = 3.0  # seconds
WRONG_CREDENTIALS = {"Authorization": "0" * 64, "X-VERIFY": f"{'0' * 64}###1"}


def check_webhook(merchant: Merchant | None, resolver: Resolver) -> CheckResult:
    """`ok` None where this server cannot tell: many networks do not reach their own public address from inside."""
    url = settings.PUBLIC_BASE_URL + PATH
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    check = CheckResult("webhook", f"{parts.hostname}:{port}")
    host = parts.hostname or ""
    is_local = ipaddress.ip_address(host).is_loopback if is_address(host) else "." not in host
    if merchant is None or settings.PHONEPE_SIMULATION_MODE or is_local:
        return check.unknown("not checked: PhonePe itself does not have to reach this address")
    if parts.scheme != "https":
        return check.unknown("PUBLIC_BASE_URL is not https: PhonePe calls no such address")
    with Session(settings.DIAGNOSIS_CA_BUNDLE or True, resolver) as session:
        request = session.start_request(Deadline(2 * PHONEPE_TIMEOUT))
        try:
            return _call(check, session, request, url, merchant)
        except WIRE_ERRORS as error:
            cause, stage = root_cause(error), request.stage or Stage.STARTED
    # Our route to ourselves may differ from PhonePe's up to TCP; from TLS on it is the same server.
    detail = redact(f"{type(cause).__name__}: {cause}"[:200])
    if stage < Stage.CONNECTED:
        from_outside = (
            "this server cannot reach its own public address, which PhonePe may do: try from outside"
        )
        return check.unknown(f"{from_outside} ({detail})", "unsure")
    return check.failed("tls" if stage < Stage.TLS else "slow", detail)


def _call(
    check: CheckResult, session: Session, request: InFlightRequest, url: str, merchant: Merchant
) -> CheckResult:
    """Calls with wrong credentials first, then with PhonePe's."""
    headers = _headers(WRONG_CREDENTIALS, self_test.create_token())
    answer = session.send_request(request, "POST", url, body=self_test.body(), headers=headers)
    if fault := _fault_of_refusal(check, answer):
        return fault
    body = self_test.body()
    credentials = self_test.sign(merchant, body)
    if not credentials:
        return check.failed("refuses", "no credentials for webhooks are configured")
    token, started = self_test.create_token(), time.monotonic()
    answer = session.send_request(request, "POST", url, body=body, headers=_headers(credentials, token))
    seconds = time.monotonic() - started
    if fault := _fault_of_acceptance(check, answer, token, body):
        return fault
    if seconds > PHONEPE_TIMEOUT:
        return check.failed("slow", f"took {seconds:.1f} s, and PhonePe waits {PHONEPE_TIMEOUT:.0f} s")
    return check.passed(
        f"refuses wrong credentials, accepts PhonePe's, body unchanged, in {round(seconds * 1000)} ms"
    )


def _fault_of_refusal(check: CheckResult, answer: Answer) -> CheckResult | None:
    """None when our own application refused the wrong credentials."""
    summary = describe_answer(answer)
    if is_redirect(answer):
        return check.failed("redirect", f"{summary}: PhonePe does not follow; name the final host")
    if answer.http_status == 401:
        return None
    if answer.http_status < 300:
        return check.failed("open", f"{summary}: calls without valid credentials are accepted")
    return check.failed("other", f"{summary} in the place of our own 401")


def _fault_of_acceptance(check: CheckResult, answer: Answer, token: str, body: bytes) -> CheckResult | None:
    """None when PhonePe's credentials are accepted and every byte of the body arrived."""
    summary = describe_answer(answer)
    if answer.http_status == 401:
        return check.failed("refuses", f"{summary}: PhonePe's credentials do not arrive unchanged")
    if answer.http_status != 200:
        return check.failed("other", f"{summary} in the place of our own 200")
    if not self_test.proves(json_object(answer.body), token, body):
        return check.failed("changed", "the body does not arrive byte by byte, or another server answers")
    return None


def _headers(credentials: dict[str, str], token: str) -> dict[str, str]:
    return {"Content-Type": "application/json", self_test.HEADER: token, **credentials}

"""Our own webhook URL as PhonePe calls it: https, no redirect, authenticated, body unchanged, in time.

The details are sentences for whoever runs the server in front: what is seen from outside, and what to change.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host
from django.utils import timezone

from core.logging import redact
from diagnostics import tls
from diagnostics.dependencies import DATABASE_ERRORS, TARGETS, CheckResult, public_target
from diagnostics.dns import is_address, is_on_this_machine, is_private
from diagnostics.load import root_cause
from diagnostics.probes import describe_answer, is_html, is_redirect
from diagnostics.targets import Role, Target
from payment.models import PaymentAttempt, WebhookEvent
from payment.phonepe.credentials import ENVIRONMENT_OF_HOST, Merchant
from payment.phonepe.enums import Stage
from payment.phonepe.errors import WIRE_ERRORS
from payment.phonepe.schemas import json_object
from payment.phonepe.transport import Address, Answer, Deadline, Resolver, Session
from payment.phonepe.webhooks import (
    SELF_TEST_HEADER,
    create_self_test_token,
    proves_self_test,
    self_test_body,
    sign_self_test,
)
from payment.states import AttemptState

T = TypeVar("T")

# Not read from the URL configuration: a diagnosis must work where that cannot even be loaded.
PATH = "/api/payments/webhook/phonepe/"
PHONEPE_TIMEOUT = 3.0  # seconds
# PhonePe sends small bodies with their length, to the address as it was entered. That is tried first and decides. What
# else may arrive is tried afterwards, and is a note: a server that was slow before is not judged by it.
FIRST_SECONDS, MORE_SECONDS, FAST_SECONDS = 7.0, 2.5, 1.0
TRY_SECONDS = 3.5  # of one try: long enough to see an answer that comes too late
WRONG_CREDENTIALS = {"Authorization": "0" * 64, "X-VERIFY": f"{'0' * 64}###1"}
CHUNK_BYTES = 4_096
PHONEPE_BYTES = 4_096  # of a long webhook: an order with many tries to pay it
LARGE_BYTES = 4 * CHUNK_BYTES  # more than any webhook of PhonePe
PRIVATE_NAMES = (".internal", ".local", ".lan", ".home", ".corp", ".intranet", ".localdomain", ".home.arpa")
NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# OpenSSL's X509_V_ERR_*, in words. The certificate's own dates and names are added.
CERTIFICATE_ADVICE = {
    9: "the certificate of our address is not valid before {start:%Y-%m-%d}: compare this server's clock",
    10: "the certificate of our address has expired on {end:%Y-%m-%d}: renew it, and reload the server in front",
    18: "the certificate of our address is self-signed: PhonePe trusts public authorities only; get one from such",
    19: "the certificate of our address comes from an authority of its own: PhonePe trusts public authorities only",
    62: "the certificate of our address is for {names}, not for {host}: get one for this name",
    64: "the certificate of our address is for {names}, not for {host}: get one for this name",
}
# How many of the last paid orders are checked, how far back, and how many are needed for a conclusion.
WEBHOOK_SAMPLE, WEBHOOK_WINDOW, WEBHOOK_MINIMUM = 20, timedelta(days=7), 5
WEBHOOK_DELAY = timedelta(minutes=5)  # a webhook may arrive a little after our status request
UNKNOWN_ISSUER = (
    "the certificate of our address does not lead to a public authority (issued by {issuer}): install the full chain "
    "(fullchain.pem, not cert.pem), or get a certificate from a public authority"
)


def check_webhook(merchant: Merchant | None, resolver: Resolver) -> CheckResult:
    """`ok` None where this server cannot tell: many networks do not reach their own public address from inside."""
    check = CheckResult("webhook", public_target())
    if merchant is None or settings.PHONEPE_SIMULATION_MODE:
        return check.unknown("not checked: PhonePe itself does not have to reach this address")
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    if is_on_this_machine(host := parts.hostname or ""):
        return check.unknown("not checked: PhonePe calls no address of this machine", "local")
    if parts.scheme != "https":
        return check.failed(
            "plain", f"{settings.PUBLIC_BASE_URL} is not https, and PhonePe calls no such address"
        )
    if (is_address(host) and is_private(host)) or host.endswith(PRIVATE_NAMES):
        return check.failed("private", f"{host} belongs to a private network, which PhonePe does not reach")
    try:
        addresses = resolver.addresses(host, parts.port or 443, PHONEPE_TIMEOUT)
    except OSError as error:
        return _unresolved(check, host, error, resolver)
    with Session(settings.DIAGNOSIS_CA_BUNDLE or True, resolver) as session:
        caller = Caller(session, merchant, settings.PUBLIC_BASE_URL + PATH, addresses)
        called = caller.phonepe_calls(check)
    if called.ok and all(is_private(str(address[4][0])) for address in addresses):
        why = f"works, but {host} leads into a private network from here, and perhaps from everywhere"
        return called.unknown(f"{why}: try from outside", "unsure")
    return called


def check_webhook_silence() -> CheckResult:
    """Fails when all paid orders were found by status requests only: PhonePe's webhooks do not arrive."""
    check = CheckResult("webhook_silence", TARGETS["webhook_silence"]())
    now = timezone.now()
    attempts = PaymentAttempt.objects.filter(
        state=AttemptState.COMPLETED,
        simulated=False,
        decided_at__range=(now - WEBHOOK_WINDOW, now - WEBHOOK_DELAY),
    )
    newest = attempts.order_by("-decided_at", "-pk").values_list("pk", flat=True)[:WEBHOOK_SAMPLE]
    try:
        # Not by EXISTS in one statement: PostgreSQL would read the orders of all webhooks for it.
        orders = list(newest)
        webhooks = WebhookEvent.objects.filter(attempt__in=orders).values_list("attempt", flat=True)
        found = set(webhooks)
        announced = [order in found for order in orders]
    except DATABASE_ERRORS:
        return check.unknown("not known while the database cannot be queried")
    count = (
        f"{len(announced)} paid orders in {WEBHOOK_WINDOW.days} days, {sum(announced)} of them with a webhook"
    )
    if len(announced) < WEBHOOK_MINIMUM:
        detail = f"{count}: too few to say"
        return check.passed(detail) if any(announced) else check.unknown(detail)
    if not any(announced):
        return check.failed("silent", f"{count}: all were found by status requests only")
    return check.passed(count)


class Caller:
    """Calls as PhonePe calls. Every call has a deadline; what it fails with becomes a sentence."""

    def __init__(self, session: Session, merchant: Merchant, url: str, addresses: list[Address]) -> None:
        self.session, self.merchant, self.url, self.addresses = session, merchant, url, addresses

    def phonepe_calls(self, check: CheckResult) -> CheckResult:
        """With wrong credentials first, then with PhonePe's, at last in forms that PhonePe does not use."""
        deadline = Deadline(FIRST_SECONDS)
        wrong = self_test_body(), create_self_test_token()
        refused = _try_twice(lambda within: self._call(check, within, WRONG_CREDENTIALS, *wrong), deadline)
        if isinstance(refused, CheckResult):
            return refused
        if fault := _fault_of_refusal(check, refused):
            return fault
        body = self_test_body(PHONEPE_BYTES)
        if not sign_self_test(self.merchant, body):
            return check.failed(
                "no_secret", "the settings have no secret for webhooks: every call of PhonePe gets 401"
            )
        started = time.monotonic()
        if fault := _try_twice(lambda within: self._fault_of_call(check, within, body), deadline):
            return fault
        seconds = time.monotonic() - started
        if seconds > PHONEPE_TIMEOUT:
            return check.failed(
                "slow", f"answers, but after {seconds:.1f} s; PhonePe waits {PHONEPE_TIMEOUT:.0f} s"
            )
        passed = (
            f"refuses wrong credentials, accepts PhonePe's, body unchanged, in {round(seconds * 1000)} ms"
        )
        if note := self._note_of_unusual_calls(check, is_fast=seconds <= FAST_SECONDS):
            return replace(
                note, ok=True, detail=f"{passed}. PhonePe does not call so, others may: {note.detail}"
            )
        return check.passed(f"{passed}; also in chunks and without the last slash")

    def _note_of_unusual_calls(self, check: CheckResult, *, is_fast: bool) -> CheckResult | None:
        """Chunked bodies, large ones, and the address without its last slash."""
        deadline = Deadline(MORE_SECONDS)
        large = self_test_body(LARGE_BYTES)
        chunked = self._fault_of_call(check, deadline, large, in_chunks=True)
        if chunked and (is_fast or chunked.fault != "slow"):
            if limited := self._fault_of_call(check, Deadline(1), large):
                return check.failed(
                    "limit", f"a body of {LARGE_BYTES // 1024} KiB does not pass: {limited.detail}"
                )
            return check.failed(
                "chunked",
                f"a body in chunks (Transfer-Encoding: chunked) does not pass: {chunked.detail}. Let the server in "
                "front pass such bodies on (nginx: proxy_http_version 1.1)",
            )
        fault = self._fault_of_call(check, deadline, self_test_body(), url=self.url.rstrip("/"))
        if fault and (is_fast or fault.fault != "slow"):
            return check.failed(
                "slash",
                f"without its last slash the address does not work: {fault.detail}. Let the server in front pass on "
                f"{PATH.rstrip('/')} as it passes on {PATH}",
            )
        return None

    def _fault_of_call(
        self, check: CheckResult, deadline: Deadline, body: bytes, *, url: str = "", in_chunks: bool = False
    ) -> CheckResult | None:
        """With PhonePe's credentials. None when they are accepted and every byte arrived."""
        token = create_self_test_token()
        headers = sign_self_test(self.merchant, body)
        answer = self._call(check, deadline, headers, body, token, url=url, in_chunks=in_chunks)
        return answer if isinstance(answer, CheckResult) else _fault_of_acceptance(check, answer, token, body)

    def _call(
        self,
        check: CheckResult,
        deadline: Deadline,
        credentials: dict[str, str],
        body: bytes,
        token: str,
        *,
        url: str = "",
        in_chunks: bool = False,
    ) -> Answer | CheckResult:
        request = self.session.start_request(deadline)
        headers = {"Content-Type": "application/json", SELF_TEST_HEADER: token, **credentials}
        data = chunks(body) if in_chunks else body
        try:
            return self.session.send_request(request, "POST", url or self.url, body=data, headers=headers)
        except WIRE_ERRORS as error:
            return self._failed_call(check, root_cause(error), request.stage or Stage.STARTED)

    def _failed_call(self, check: CheckResult, cause: BaseException, stage: Stage) -> CheckResult:
        """Our route to ourselves may differ from PhonePe's up to TCP; from TLS on it is the same server."""
        detail = redact(f"{type(cause).__name__}: {cause}"[:200])
        if stage < Stage.CONNECTED:
            why = "this server cannot reach its own public address, which PhonePe may do: try from outside"
            return check.unknown(f"{why} ({detail})", "unsure")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return check.failed("tls", self._certificate_advice(cause), "certificate")
        late = "timeout" if isinstance(cause, TimeoutError) else ""
        if stage < Stage.TLS:
            advice = f"our address does not speak TLS, or breaks it off: install a certificate ({detail})"
            return check.failed("tls", advice, late)
        if late:
            advice = f"is reached, but does not answer; PhonePe waits {PHONEPE_TIMEOUT:.0f} s"
            return check.failed("slow", advice, late)
        return check.failed(
            "other", f"is reached, but the connection is cut before there is an answer ({detail})"
        )

    def _certificate_advice(self, cause: ssl.SSLCertVerificationError) -> str:
        target = Target(Role.CONTROL, self.url)
        certificate = tls.fetch_certificate(target, self.addresses[0], Deadline(PHONEPE_TIMEOUT / 3))
        if certificate is None:
            return f"PhonePe would not trust the certificate of our address: {cause.verify_message}"
        advice = CERTIFICATE_ADVICE.get(cause.verify_code, UNKNOWN_ISSUER)
        names = ", ".join(certificate.names[:3]) or certificate.subject
        return advice.format(
            start=certificate.valid_from,
            end=certificate.valid_until,
            names=names,
            host=target.host,
            issuer=certificate.issuer,
        )


def _try_twice(call: Callable[[Deadline], T], deadline: Deadline) -> T:
    """Once more after a time-out: on a bad line a single one proves nothing."""
    result = call(deadline.within(TRY_SECONDS))
    if isinstance(result, CheckResult) and result.cause == "timeout":
        return call(deadline.within(TRY_SECONDS))
    return result


def chunks(body: bytes) -> Iterator[bytes]:
    """`requests` sends what comes piece by piece with Transfer-Encoding: chunked."""
    yield from (body[start : start + CHUNK_BYTES] for start in range(0, len(body), CHUNK_BYTES))


def _unresolved(check: CheckResult, host: str, error: OSError, resolver: Resolver) -> CheckResult:
    """A name server that knows others is believed when it says that there is no such name."""
    if getattr(error, "errno", None) in NO_SUCH_NAME:
        controls = [urlsplit(url).hostname or "" for url in settings.DIAGNOSIS_CONTROL_URLS]
        for other in (*controls, *ENVIRONMENT_OF_HOST):
            if not is_address(other) and _is_resolved(other, resolver):
                return check.failed(
                    "name_unknown", f"there is no name {host}; the same name server knows {other}"
                )
    why = f"this server does not resolve {host}, which PhonePe may do: try from outside"
    return check.unknown(f"{why} ({type(error).__name__}: {error})", "unsure")


def _is_resolved(host: str, resolver: Resolver) -> bool:
    try:
        return bool(resolver.addresses(host, 443, PHONEPE_TIMEOUT / 3))
    except OSError:
        return False


def _fault_of_refusal(check: CheckResult, answer: Answer) -> CheckResult | None:
    """None when our own application refused the wrong credentials."""
    if answer.http_status == 401 and not _wants_password(answer):
        return None
    if answer.http_status < 300:
        summary = describe_answer(answer)
        return check.failed(
            "open", f"something else answers here: {summary} to a call with wrong credentials"
        )
    if answer.http_status == 400:
        return _fault_of_bad_request(check, answer)
    return _fault_in_front(check, answer)


def _fault_of_acceptance(check: CheckResult, answer: Answer, token: str, body: bytes) -> CheckResult | None:
    """None when PhonePe's credentials are accepted and every byte of the body arrived."""
    fields, summary = json_object(answer.body) or {}, describe_answer(answer)
    if answer.http_status == 401 and not _wants_password(answer):
        return check.failed(
            "refuses",
            "PhonePe's credentials do not arrive unchanged: let the server in front pass the header Authorization on, "
            f"or another installation with other credentials answers ({summary})",
        )
    if answer.http_status == 400:
        return check.failed("changed", f"the body does not arrive: the server in front drops it ({summary})")
    if answer.http_status != 200:
        return _fault_in_front(check, answer)
    if proves_self_test(fields, token, body):
        return None
    if "proof" in fields:
        return check.failed(
            "changed", "the body does not arrive byte by byte: the server in front rewrites it"
        )
    return check.failed("changed", "another installation answers (its SECRET_KEY differs), or drops the body")


def _fault_of_bad_request(check: CheckResult, answer: Answer) -> CheckResult:
    """Our application answers 400 to a host that it does not know, and to a call without its body."""
    host, summary = urlsplit(settings.PUBLIC_BASE_URL).hostname or "", describe_answer(answer)
    if not validate_host(host, settings.ALLOWED_HOSTS):
        return check.failed(
            "other", f"our application does not know its host: add {host} to ALLOWED_HOSTS ({summary})"
        )
    return check.failed("changed", f"the body does not arrive: the server in front drops it ({summary})")


def _fault_in_front(check: CheckResult, answer: Answer) -> CheckResult:
    """Something in front of our application has answered."""
    summary, status = describe_answer(answer), answer.http_status
    if is_redirect(answer):
        return check.failed(
            "redirect", f"redirects ({summary}), and PhonePe follows none: name the final host"
        )
    if _wants_password(answer):
        return check.failed("other", f"a password prompt stands in front: open {PATH} without it ({summary})")
    if status == 413:
        return check.failed("limit", f"the server in front takes no bodies of this size ({summary})")
    if status == 411:
        return check.failed("other", f"the server in front takes no bodies without a length ({summary})")
    if status in (502, 503, 504):
        return check.failed("other", f"the server in front does not reach our application ({summary})")
    if status in (404, 405):
        return check.failed(
            "other", f"the server in front does not pass {PATH} on to our application ({summary})"
        )
    if is_html(answer):
        return check.failed(
            "other", f"a page answers in our place, as of a firewall: let {PATH} through ({summary})"
        )
    return check.failed("other", f"something in front answers in our place ({summary})")


def _wants_password(answer: Answer) -> bool:
    """Our own application asks nobody for a password of HTTP."""
    challenge = answer.headers.get("WWW-Authenticate", "").lower()
    return answer.http_status == 401 and challenge.startswith(("basic", "digest", "negotiate", "ntlm"))

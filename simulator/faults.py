"""What may go wrong on the wire, and whether the call still had its effect.

The control door arms a fault; the next matching call takes it. A fault has two sides: what the caller sees,
and whether PhonePe carried the call out. The second is what a client cannot know.
"""

from dataclasses import dataclass

from django.db.models import F

from simulator.models import Fault
from simulator.wire import Breakage, Response, answer, refusal

OPERATIONS = ("token", "pay", "status", "refund", "refund_status", "webhook")

HTML = b"<!DOCTYPE html><html><head><title>Access denied</title></head><body>Request blocked.</body></html>"
TROUBLE = "There is an error trying to process your transaction at the moment. Please try again in a while."


@dataclass(frozen=True)
class Kind:
    carried_out: bool = False
    breakage: Breakage | None = None
    status: int | None = None


KINDS = {
    "refuse": Kind(breakage="refuse"),
    "connect_timeout": Kind(breakage="connect_timeout"),
    "reset_before": Kind(breakage="reset"),
    "reset_after": Kind(breakage="reset", carried_out=True),
    "never_answer": Kind(breakage="silence", carried_out=True),
    "status_500": Kind(status=500),
    "status_503": Kind(status=503),
    "status_429": Kind(status=429),
    "html": Kind(status=403),
    "cut_json": Kind(status=200, carried_out=True),
}
WEBHOOK_KINDS = {
    "drop": Kind(),
    "duplicate": Kind(carried_out=True),
    "delay": Kind(),
    "forged": Kind(carried_out=True),
}


def kinds_of(operation: str) -> tuple[str, ...]:
    """What may be armed for this operation; nothing if there is no such operation."""
    if operation not in OPERATIONS:
        return ()
    return (*KINDS, *WEBHOOK_KINDS) if operation == "webhook" else tuple(KINDS)


def arm(
    operation: str, kind: str, times: int = 1, argument: str = "", carried_out: bool | None = None
) -> Fault:
    known = KINDS | WEBHOOK_KINDS
    fault: Fault = Fault.objects.create(
        operation=operation,
        kind=kind,
        times_left=times,
        argument=argument,
        carried_out=known[kind].carried_out if carried_out is None else carried_out,
    )
    return fault


def take(operation: str) -> Fault | None:
    """The oldest armed fault for this call. Two calls at once never share the last one."""
    fault: Fault
    for fault in Fault.objects.filter(operation=operation, times_left__gt=0).order_by("pk"):
        if Fault.objects.filter(pk=fault.pk, times_left__gt=0).update(times_left=F("times_left") - 1):
            return fault
    return None


def spoil(fault: Fault, genuine: Response | None) -> Response:
    """What the caller sees. `genuine` is the answer of a call that was carried out."""
    kind = KINDS[fault.kind]
    if kind.breakage:
        return Response(0, breakage=kind.breakage)
    if fault.kind == "html":
        return Response(int(fault.argument or 403), HTML, {"Content-Type": "text/html; charset=utf-8"})
    if fault.kind == "cut_json":
        whole = genuine or answer({"success": True, "code": "SUCCESS"})
        return Response(whole.status, whole.body[: len(whole.body) // 2], whole.headers)
    return _refusal(kind.status or 500, fault.argument)


def _refusal(status: int, argument: str) -> Response:
    if status == 503:
        # Not JSON: this answer comes from whatever stands in front of PhonePe.
        return Response(503, b"R999", {"Content-Type": "text/plain"})
    if status == 429:
        said = answer(refusal("TOO_MANY_REQUESTS", "Too many requests. Please try again."), 429)
        return Response(429, said.body, {**said.headers, "Retry-After": argument}) if argument else said
    return answer(refusal("INTERNAL_SERVER_ERROR", TROUBLE), status)

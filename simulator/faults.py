"""Which faults exist and when they strike: armed by the control API, by the paise of an amount, or by a seed.

`wire_faults` changes the answer of a call, `webhook_faults` the body of a webhook, `orders` and `refunds` the money.
"""

from typing import NamedTuple

from django.db.models import F

from simulator import seeded_faults, wire_faults
from simulator.models import Fault

CALLS = ("token", "pay", "status", "refund", "refund_status")
WEBHOOK_KINDS = {
    "drop": False,
    "delay": False,
    "reorder": False,
    "duplicate": True,
    "forged": True,
    "other_scheme": True,
    "wrong_amount": True,
    "unknown_order": True,
    "unknown_event": True,
    "huge": True,
}
# Wire faults of a webhook request: the shop may have received it although we saw no response.
WEBHOOK_WIRE_FAULTS = (
    *("refuse", "connect_timeout", "reset_before", "reset_after", "never_answer"),
    *("status_500", "status_503", "status_429", "html", "cut_json"),
)
MONEY_IN = ("slow", "after_expiry", "after_failure", "attempt_fails", "other_amount", "dashboard_refund")
MONEY_BACK = ("slow", "fails")
KINDS: dict[str, tuple[str, ...]] = {
    **{operation: tuple(wire_faults.KINDS) for operation in CALLS},
    "token": tuple(kind for kind in wire_faults.KINDS if kind != "expired_token"),
    "webhook": (*WEBHOOK_WIRE_FAULTS, *WEBHOOK_KINDS),
    "money_in": MONEY_IN,
    "money_back": MONEY_BACK,
}
OPERATIONS = tuple(KINDS)

# The default percentages of a seed.
PERCENTS = dict.fromkeys(CALLS, 10) | {"webhook": 25, "money_in": 10, "money_back": 10}
# Never by seed: `says` needs an argument, and with the others a caller waits long.
NOT_SEEDED = {"says", "delay", "clock_off"}


class FaultSpec(NamedTuple):
    operation: str
    kind: str
    argument: str = ""
    times: int = 1


# Paise of an amount that arm a fault. Rare values, so that no real price has them.
BY_PAISE = {
    61: FaultSpec("pay", "reset_before"),
    62: FaultSpec("pay", "reset_after"),
    63: FaultSpec("pay", "never_answer"),
    64: FaultSpec("pay", "status_500"),
    65: FaultSpec("pay", "status_503"),
    68: FaultSpec("pay", "status_429", "1"),
    69: FaultSpec("pay", "html"),
    71: FaultSpec("pay", "cut_json"),
    72: FaultSpec("pay", "expired_token"),
    73: FaultSpec("status", "status_500", times=3),
    74: FaultSpec("status", "never_answer"),
    76: FaultSpec("webhook", "drop"),
    77: FaultSpec("webhook", "delay", "60"),
    78: FaultSpec("webhook", "duplicate", "3"),
    79: FaultSpec("webhook", "forged"),
    81: FaultSpec("webhook", "wrong_amount"),
    82: FaultSpec("webhook", "unknown_order"),
    83: FaultSpec("money_in", "slow", "30"),
    84: FaultSpec("money_in", "after_expiry", "60"),
    85: FaultSpec("money_in", "after_failure", "30"),
    86: FaultSpec("money_in", "attempt_fails"),
    87: FaultSpec("money_in", "other_amount"),
    88: FaultSpec("money_in", "dashboard_refund"),
    91: FaultSpec("money_back", "slow"),
    92: FaultSpec("money_back", "fails"),
}


def arm(
    operation: str,
    kind: str,
    times: int = 1,
    argument: str = "",
    carried_out: bool | None = None,
    *,
    call: int = 1,
    about: str = "",
) -> Fault:
    """Strikes `times` calls, beginning with the `call`-th from now. `about`: only calls for this id."""
    fault = _build(FaultSpec(operation, kind, argument, times), about)
    fault.calls_before = call - 1
    if carried_out is not None:
        fault.carried_out = carried_out
    fault.save()
    return fault


def arm_by_amount(reference: str, amount_paise: int) -> bool:
    """Arms the fault that the paise of an amount stand for, once per order, however often the order is sent.

    False for an amount without such a fault.
    """
    spec = BY_PAISE.get(amount_paise % 100)
    if spec is None or not reference:
        return False
    fault = _build(spec, reference)
    fault.source = Fault.Source.AMOUNT
    Fault.objects.bulk_create([fault], ignore_conflicts=True)
    return True


def sends_webhook(operation: str, kind: str) -> bool:
    """Whether this fault needs a webhook that is sent."""
    return operation == "webhook" and WEBHOOK_KINDS.get(kind, False)


def arm_by_seed(seed: int) -> None:
    seeded_faults.set_rates(seed, PERCENTS)


def take(operation: str, *about: str) -> Fault | None:
    """The fault for this call, armed faults before seeded ones. Concurrent calls never share the last one."""
    struck: Fault | None = None
    armed = Fault.objects.filter(operation=operation, times_left__gt=0, about__in=("", *about))
    for fault in armed.order_by("pk"):
        waiting = Fault.objects.filter(pk=fault.pk, calls_before__gt=0)
        if fault.calls_before and waiting.update(calls_before=F("calls_before") - 1):
            continue
        left = Fault.objects.filter(pk=fault.pk, times_left__gt=0)
        if struck is None and left.update(times_left=F("times_left") - 1):
            struck = fault
    if struck:
        return struck
    kinds = WEBHOOK_KINDS if operation == "webhook" else KINDS[operation]
    kind = seeded_faults.draw_fault(operation, tuple(kind for kind in kinds if kind not in NOT_SEEDED))
    return _build(FaultSpec(operation, kind)) if kind else None


def _build(spec: FaultSpec, about: str = "") -> Fault:
    operation, kind, argument, times = spec
    carried_out = kind not in wire_faults.KINDS or wire_faults.KINDS[kind].carried_out
    if operation == "webhook":
        carried_out = WEBHOOK_KINDS.get(kind, carried_out)
    return Fault(
        operation=operation,
        kind=kind,
        times_left=times,
        argument=argument,
        about=about,
        carried_out=carried_out,
    )

"""What goes wrong, and when: by order of the control door, by the paise of an amount, or by chance with a seed.

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
# Breakages of a webhook's own call: did the shop get it, although we did not get its answer?
WEBHOOK_BREAKAGES = (
    *("refuse", "connect_timeout", "reset_before", "reset_after", "never_answer"),
    *("status_500", "status_503", "status_429", "html", "cut_json"),
)
MONEY_IN = ("slow", "after_expiry", "after_failure", "attempt_fails", "other_amount", "dashboard_refund")
MONEY_BACK = ("slow", "fails")
KINDS: dict[str, tuple[str, ...]] = {
    **{operation: tuple(wire_faults.KINDS) for operation in CALLS},
    "token": tuple(kind for kind in wire_faults.KINDS if kind != "expired_token"),
    "webhook": (*WEBHOOK_BREAKAGES, *WEBHOOK_KINDS),
    "money_in": MONEY_IN,
    "money_back": MONEY_BACK,
}
OPERATIONS = tuple(KINDS)

# What a seed without further words does: of a hundred calls so many go wrong.
PERCENTS = dict.fromkeys(CALLS, 10) | {"webhook": 25, "money_in": 10, "money_back": 10}
# Not by chance: `says` needs to be told what, and a caller may wait long for the others.
NOT_BY_CHANCE = {"says", "delay", "clock_off"}


class Misfortune(NamedTuple):
    operation: str
    kind: str
    argument: str = ""
    times: int = 1


# The paise of an amount: rare ones, so that no price meets them by accident.
BY_PAISE = {
    61: Misfortune("pay", "reset_before"),
    62: Misfortune("pay", "reset_after"),
    63: Misfortune("pay", "never_answer"),
    64: Misfortune("pay", "status_500"),
    65: Misfortune("pay", "status_503"),
    68: Misfortune("pay", "status_429", "1"),
    69: Misfortune("pay", "html"),
    71: Misfortune("pay", "cut_json"),
    72: Misfortune("pay", "expired_token"),
    73: Misfortune("status", "status_500", times=3),
    74: Misfortune("status", "never_answer"),
    76: Misfortune("webhook", "drop"),
    77: Misfortune("webhook", "delay", "60"),
    78: Misfortune("webhook", "duplicate", "3"),
    79: Misfortune("webhook", "forged"),
    81: Misfortune("webhook", "wrong_amount"),
    82: Misfortune("webhook", "unknown_order"),
    83: Misfortune("money_in", "slow", "30"),
    84: Misfortune("money_in", "after_expiry", "60"),
    85: Misfortune("money_in", "after_failure", "30"),
    86: Misfortune("money_in", "attempt_fails"),
    87: Misfortune("money_in", "other_amount"),
    88: Misfortune("money_in", "dashboard_refund"),
    91: Misfortune("money_back", "slow"),
    92: Misfortune("money_back", "fails"),
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
    """Strikes the `call`-th call from now and those after it, `times` in all; only those `about` an id if given."""
    fault = _fault(Misfortune(operation, kind, argument, times), about)
    fault.calls_before = call - 1
    if carried_out is not None:
        fault.carried_out = carried_out
    fault.save()
    return fault


def arm_by_amount(reference: str, amount_paise: int) -> bool:
    """The paise of an amount may tell what befalls its order: once, however often the order is sent.

    False for an amount that says nothing.
    """
    misfortune = BY_PAISE.get(amount_paise % 100)
    if misfortune is None or not reference:
        return False
    fault = _fault(misfortune, reference)
    fault.source = Fault.Source.AMOUNT
    Fault.objects.bulk_create([fault], ignore_conflicts=True)
    return True


def always_sends(operation: str, kind: str) -> bool:
    """Whether it strikes a webhook that goes out, and would be nothing without it."""
    return operation == "webhook" and WEBHOOK_KINDS.get(kind, False)


def begin_by_chance(seed: int) -> None:
    seeded_faults.seed(seed, PERCENTS)


def take(operation: str, *about: str) -> Fault | None:
    """The fault that this call meets, armed ones first. Two calls at once never share the last one."""
    met: Fault | None = None
    armed = Fault.objects.filter(operation=operation, times_left__gt=0, about__in=("", *about))
    for fault in armed.order_by("pk"):
        if _still_counts(fault):
            continue
        if met is None and _strikes(fault):
            met = fault
    return met or _by_chance(operation)


def _still_counts(fault: Fault) -> bool:
    if not fault.calls_before:
        return False
    counting = Fault.objects.filter(pk=fault.pk, calls_before__gt=0)
    return counting.update(calls_before=F("calls_before") - 1) == 1


def _strikes(fault: Fault) -> bool:
    left = Fault.objects.filter(pk=fault.pk, times_left__gt=0)
    return left.update(times_left=F("times_left") - 1) == 1


def _by_chance(operation: str) -> Fault | None:
    kinds = WEBHOOK_KINDS if operation == "webhook" else KINDS[operation]
    kind = seeded_faults.draw(operation, tuple(kind for kind in kinds if kind not in NOT_BY_CHANCE))
    return _fault(Misfortune(operation, kind)) if kind else None


def _fault(misfortune: Misfortune, about: str = "") -> Fault:
    operation, kind, argument, times = misfortune
    return Fault(
        operation=operation,
        kind=kind,
        times_left=times,
        argument=argument,
        about=about,
        carried_out=_is_carried_out(operation, kind),
    )


def _is_carried_out(operation: str, kind: str) -> bool:
    if operation == "webhook" and kind in WEBHOOK_KINDS:
        return WEBHOOK_KINDS[kind]
    return kind not in wire_faults.KINDS or wire_faults.KINDS[kind].carried_out

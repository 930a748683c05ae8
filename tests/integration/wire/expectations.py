"""What must come of each effect of a fault: attempts, the answer for the caller, the rows that stay. The table itself.

Tries are written as `pay 1!`: to the first endpoint, and it broke; `|` stands before the next order of a payment.
"""

from dataclasses import dataclass

from tests.integration.wire.faults import RETURNS, Effect

FIRST, ALL, ONCE = "the first of two", "both", "the only one, once"
PAY, STATUS, TOKEN, EVERYTHING = "pay", "status", "token", "everything"
REFUND, REFUND_STATUS, REFUND_AND_STATUS = RETURNS


@dataclass(frozen=True)
class Outcome:
    """`told`: "page", "paid", "as it was", "known", "unclear", or the HTTP status.

    `known`: how many orders PhonePe has; in rows of refunds, how many refunds.
    """

    tries: str
    told: str
    payment: str
    attempts: str
    known: int


def page(tries: str) -> Outcome:
    """The page is open. Each `|` is an order whose page was lost on the way; it is watched to its end."""
    opened = tries.count("|") + 1
    return Outcome(tries, "page", "PENDING", " ".join(["PENDING"] * opened), opened)


def unreachable(tries: str) -> Outcome:
    """Nothing was sent: the same payment at the next click."""
    return Outcome(tries, "503", "PENDING", "CREATED", 0)


def refused(tries: str) -> Outcome:
    """PhonePe said no: the cart is free again."""
    return Outcome(tries, "502", "FAILED", "FAILED", 0)


def unknown(tries: str, known: int) -> Outcome:
    """Undecided. We go on asking."""
    return Outcome(tries, "504", "PENDING", "UNKNOWN", known)


def no_page(tries: str) -> Outcome:
    """Three orders, three lost pages: no fourth is opened."""
    return Outcome(tries, "409", "PENDING", "PENDING PENDING PENDING", 3)


def paid(tries: str) -> Outcome:
    return Outcome(tries, "paid", "SUCCESS", "COMPLETED", 1)


def as_it_was(tries: str) -> Outcome:
    """Nobody has told us: the payment stays as it is, and we go on asking."""
    return Outcome(tries, "as it was", "PENDING", "PENDING", 1)


def going_back(tries: str, told: str, known: int) -> Outcome:
    """Whatever becomes of a refund, the payment stays paid."""
    return Outcome(tries, told, "SUCCESS", "COMPLETED", known)


EXPECTED: dict[tuple[str, str], dict[Effect, Outcome]] = {
    (PAY, FIRST): {
        Effect.NONE: page("pay 1"),
        Effect.NOT_SENT: page("pay 1! pay 2"),
        Effect.AMBIGUOUS_LOST: page("pay 1! status 2 pay 2"),
        Effect.AMBIGUOUS_DONE: page("pay 1! status 2 | pay 2"),
        Effect.THROTTLED: page("pay 1! pay 2"),
        Effect.THROTTLED_LONG: unreachable("pay 1!"),
        Effect.REJECTED: refused("pay 1!"),
        Effect.TOKEN_REJECTED: refused("pay 1! token 1 pay 1!"),
        Effect.BLOCKED: page("pay 1! token 2 status 2 pay 2"),
    },
    (PAY, ALL): {
        Effect.NONE: page("pay 1"),
        Effect.NOT_SENT: unreachable("pay 1! pay 2! pay 1!"),
        Effect.AMBIGUOUS_LOST: unknown("pay 1! status 2 pay 2! status 1", known=0),
        Effect.AMBIGUOUS_DONE: no_page("pay 1! status 2 | pay 2! status 1 | pay 1! status 2"),
        Effect.THROTTLED: unreachable("pay 1! pay 2!"),
        Effect.THROTTLED_LONG: unreachable("pay 1!"),
        Effect.REJECTED: refused("pay 1!"),
        Effect.TOKEN_REJECTED: refused("pay 1! token 1 pay 1!"),
        Effect.BLOCKED: unknown("pay 1! token 2 status 2 pay 2! token 1 status 1", known=0),
    },
    (PAY, ONCE): {
        Effect.NONE: page("pay 1"),
        Effect.NOT_SENT: page("pay 1! pay 1"),
        Effect.AMBIGUOUS_LOST: page("pay 1! status 1 pay 1"),
        Effect.AMBIGUOUS_DONE: page("pay 1! status 1 | pay 1"),
        Effect.THROTTLED: page("pay 1! pay 1"),
        Effect.THROTTLED_LONG: unreachable("pay 1!"),
        Effect.REJECTED: refused("pay 1!"),
        Effect.TOKEN_REJECTED: page("pay 1! token 1 pay 1"),
        Effect.BLOCKED: page("pay 1! token 1 status 1 pay 1"),
    },
    (REFUND, FIRST): {
        Effect.NONE: going_back("refund 1", "known", 1),
        Effect.NOT_SENT: going_back("refund 1! refund 2", "known", 1),
        Effect.AMBIGUOUS_LOST: going_back("refund 1! refund_status 2 refund 2", "known", 1),
        Effect.AMBIGUOUS_DONE: going_back("refund 1! refund_status 2", "known", 1),
        Effect.THROTTLED: going_back("refund 1! refund 2", "known", 1),
        Effect.THROTTLED_LONG: going_back("refund 1!", "503", 0),
        Effect.REJECTED: going_back("refund 1!", "502", 0),
        Effect.REJECTED_OR_DUPLICATE: going_back("refund 1! refund_status 1", "502", 0),
        Effect.TOKEN_REJECTED: going_back("refund 1! token 1 refund 1!", "502", 0),
        Effect.BLOCKED: going_back("refund 1! token 2 refund_status 2 refund 2", "known", 1),
        Effect.UNKNOWN_STATUS: going_back("refund 1", "unclear", 1),
    },
    (REFUND, ALL): {
        Effect.NONE: going_back("refund 1", "known", 1),
        Effect.NOT_SENT: going_back("refund 1! refund 2! refund 1!", "503", 0),
        Effect.AMBIGUOUS_LOST: going_back("refund 1! refund_status 2 refund 2! refund_status 1", "504", 0),
        Effect.AMBIGUOUS_DONE: going_back("refund 1! refund_status 2", "known", 1),
        Effect.THROTTLED: going_back("refund 1! refund 2!", "503", 0),
        Effect.THROTTLED_LONG: going_back("refund 1!", "503", 0),
        Effect.REJECTED: going_back("refund 1!", "502", 0),
        Effect.REJECTED_OR_DUPLICATE: going_back("refund 1! refund_status 1", "502", 0),
        Effect.TOKEN_REJECTED: going_back("refund 1! token 1 refund 1!", "502", 0),
        Effect.BLOCKED: going_back(
            "refund 1! token 2 refund_status 2 refund 2! token 1 refund_status 1", "504", 0
        ),
        Effect.UNKNOWN_STATUS: going_back("refund 1", "unclear", 1),
    },
    (REFUND_STATUS, FIRST): {
        Effect.NONE: going_back("refund_status 1", "known", 1),
        Effect.NOT_SENT: going_back("refund_status 1! refund_status 2", "known", 1),
        Effect.AMBIGUOUS_LOST: going_back("refund_status 1! refund_status 2", "known", 1),
        Effect.AMBIGUOUS_DONE: going_back("refund_status 1! refund_status 2", "known", 1),
        Effect.THROTTLED: going_back("refund_status 1! refund_status 2", "known", 1),
        Effect.THROTTLED_LONG: going_back("refund_status 1!", "503", 1),
        Effect.REJECTED: going_back("refund_status 1!", "502", 1),
        Effect.TOKEN_REJECTED: going_back("refund_status 1! token 1 refund_status 1!", "502", 1),
        Effect.BLOCKED: going_back("refund_status 1! refund_status 2", "known", 1),
        Effect.UNKNOWN_STATUS: going_back("refund_status 1", "unclear", 1),
    },
    (REFUND_STATUS, ALL): {
        Effect.NONE: going_back("refund_status 1", "known", 1),
        Effect.NOT_SENT: going_back("refund_status 1! refund_status 2! refund_status 1!", "503", 1),
        Effect.AMBIGUOUS_LOST: going_back("refund_status 1! refund_status 2! refund_status 1!", "504", 1),
        Effect.AMBIGUOUS_DONE: going_back("refund_status 1! refund_status 2! refund_status 1!", "504", 1),
        Effect.THROTTLED: going_back("refund_status 1! refund_status 2!", "503", 1),
        Effect.THROTTLED_LONG: going_back("refund_status 1!", "503", 1),
        Effect.REJECTED: going_back("refund_status 1!", "502", 1),
        Effect.TOKEN_REJECTED: going_back("refund_status 1! token 1 refund_status 1!", "502", 1),
        Effect.BLOCKED: going_back(
            "refund_status 1! refund_status 2! refund_status 1! token 2 refund_status 2! refund_status 1!",
            "504",
            1,
        ),
        Effect.UNKNOWN_STATUS: going_back("refund_status 1", "unclear", 1),
    },
    (REFUND_AND_STATUS, ALL): {
        Effect.AMBIGUOUS_LOST: going_back(
            "refund 1! refund_status 2! refund_status 1! refund_status 2!", "504", 0
        ),
        Effect.AMBIGUOUS_DONE: going_back(
            "refund 1! refund_status 2! refund_status 1! refund_status 2!", "504", 1
        ),
        Effect.REJECTED_OR_DUPLICATE: going_back("refund 1! refund_status 1!", "504", 0),
    },
    # Whatever is said is broken: also the question that should clear it up.
    (EVERYTHING, ALL): {
        Effect.AMBIGUOUS_LOST: unknown("pay 1! status 2! status 1! status 2!", known=0),
        Effect.AMBIGUOUS_DONE: unknown("pay 1! status 2! status 1! status 2!", known=1),
        Effect.BLOCKED: unknown(
            "pay 1! token 2 status 2! status 1! status 2! token 1 status 1! status 2!", known=0
        ),
        Effect.UNKNOWN_STATUS: unknown("pay 1! status 2", known=1),
    },
    (TOKEN, FIRST): {
        Effect.NONE: page("token 1 pay 1"),
        Effect.NOT_SENT: page("token 1! token 2 pay 1! pay 2"),
        Effect.AMBIGUOUS_LOST: page("token 1! token 2 pay 2"),
        Effect.AMBIGUOUS_DONE: page("token 1! token 2 pay 2"),
        Effect.THROTTLED: page("token 1! token 2 pay 1"),
        Effect.THROTTLED_LONG: unreachable("token 1!"),
        Effect.REJECTED: refused("token 1!"),
    },
    (TOKEN, ALL): {
        Effect.NONE: page("token 1 pay 1"),
        Effect.NOT_SENT: unreachable("token 1! token 2! token 1!"),
        Effect.AMBIGUOUS_LOST: unreachable("token 1! token 2! token 1!"),
        Effect.AMBIGUOUS_DONE: unreachable("token 1! token 2! token 1!"),
        Effect.THROTTLED: unreachable("token 1! token 2!"),
        Effect.THROTTLED_LONG: unreachable("token 1!"),
        Effect.REJECTED: refused("token 1!"),
    },
    (TOKEN, ONCE): {
        Effect.NONE: page("token 1 pay 1"),
        Effect.NOT_SENT: page("token 1! token 1 pay 1"),
        Effect.AMBIGUOUS_LOST: page("token 1! token 1 pay 1"),
        Effect.AMBIGUOUS_DONE: page("token 1! token 1 pay 1"),
        Effect.THROTTLED: page("token 1! token 1 pay 1"),
        Effect.THROTTLED_LONG: unreachable("token 1!"),
        Effect.REJECTED: refused("token 1!"),
    },
    (STATUS, FIRST): {
        Effect.NONE: paid("status 1"),
        Effect.NOT_SENT: paid("status 1! status 2"),
        Effect.AMBIGUOUS_LOST: paid("status 1! status 2"),
        Effect.AMBIGUOUS_DONE: paid("status 1! status 2"),
        Effect.THROTTLED: paid("status 1! status 2"),
        Effect.THROTTLED_LONG: as_it_was("status 1!"),
        Effect.REJECTED: as_it_was("status 1!"),
        Effect.TOKEN_REJECTED: as_it_was("status 1! token 1 status 1!"),
        Effect.BLOCKED: paid("status 1! status 2"),
        Effect.UNKNOWN_STATUS: as_it_was("status 1"),
    },
    (STATUS, ALL): {
        Effect.NONE: paid("status 1"),
        Effect.NOT_SENT: as_it_was("status 1! status 2! status 1!"),
        Effect.AMBIGUOUS_LOST: as_it_was("status 1! status 2! status 1!"),
        Effect.AMBIGUOUS_DONE: as_it_was("status 1! status 2! status 1!"),
        Effect.THROTTLED: as_it_was("status 1! status 2!"),
        Effect.THROTTLED_LONG: as_it_was("status 1!"),
        Effect.REJECTED: as_it_was("status 1!"),
        Effect.TOKEN_REJECTED: as_it_was("status 1! token 1 status 1!"),
        Effect.BLOCKED: as_it_was("status 1! status 2! status 1! token 2 status 2! status 1!"),
        Effect.UNKNOWN_STATUS: as_it_was("status 1"),
    },
    (STATUS, ONCE): {
        Effect.NONE: paid("status 1"),
        Effect.NOT_SENT: paid("status 1! status 1"),
        Effect.AMBIGUOUS_LOST: paid("status 1! status 1"),
        Effect.AMBIGUOUS_DONE: paid("status 1! status 1"),
        Effect.THROTTLED: paid("status 1! status 1"),
        Effect.THROTTLED_LONG: as_it_was("status 1!"),
        Effect.REJECTED: as_it_was("status 1!"),
        Effect.TOKEN_REJECTED: paid("status 1! token 1 status 1"),
        Effect.BLOCKED: paid("status 1! status 1"),
        Effect.UNKNOWN_STATUS: as_it_was("status 1"),
    },
}

# Where nobody says anything the time is over before anything could be repeated.
SILENCE: dict[tuple[str, str], dict[Effect, Outcome]] = {
    (EVERYTHING, ALL): {
        Effect.AMBIGUOUS_LOST: unknown("pay 1! status 2! status 1!", known=0),
        Effect.AMBIGUOUS_DONE: unknown("pay 1! status 2! status 1!", known=1),
    },
    (TOKEN, ALL): {
        Effect.NOT_SENT: unreachable("token 1! token 2!"),
        Effect.AMBIGUOUS_LOST: unreachable("token 1! token 2!"),
        Effect.AMBIGUOUS_DONE: unreachable("token 1! token 2!"),
    },
    (STATUS, ALL): {
        Effect.NOT_SENT: as_it_was("status 1! status 2!"),
        Effect.AMBIGUOUS_LOST: as_it_was("status 1! status 2!"),
        Effect.AMBIGUOUS_DONE: as_it_was("status 1! status 2!"),
    },
    (REFUND_STATUS, ALL): {
        Effect.AMBIGUOUS_LOST: going_back("refund_status 1! refund_status 2!", "504", 1),
        Effect.AMBIGUOUS_DONE: going_back("refund_status 1! refund_status 2!", "504", 1),
    },
    (REFUND_AND_STATUS, ALL): {
        Effect.AMBIGUOUS_LOST: going_back("refund 1! refund_status 2! refund_status 1!", "504", 0),
        Effect.AMBIGUOUS_DONE: going_back("refund 1! refund_status 2! refund_status 1!", "504", 1),
    },
}


def outcome_of(operation: str, where: str, effect: Effect, silent: bool) -> Outcome | None:
    """None: there is no such row."""
    by_silence = SILENCE.get((operation, where), {}) if silent else {}
    return by_silence.get(effect) or EXPECTED.get((operation, where), {}).get(effect)

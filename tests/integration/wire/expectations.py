"""What must come of each harm: what is said where, what the caller is told, what stays behind. The table itself.

Tries are written as `pay 1!`: to the first endpoint, and it broke; `|` stands before the next order of a payment.
"""

from dataclasses import dataclass

from tests.integration.wire.faults import RETURNS, Harm

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


EXPECTED: dict[tuple[str, str], dict[Harm, Outcome]] = {
    (PAY, FIRST): {
        Harm.NONE: page("pay 1"),
        Harm.UNSENT: page("pay 1! pay 2"),
        Harm.LOST: page("pay 1! status 2 pay 2"),
        Harm.KEPT: page("pay 1! status 2 | pay 2"),
        Harm.BUSY: page("pay 1! pay 2"),
        Harm.CLOSED: unreachable("pay 1!"),
        Harm.REFUSED: refused("pay 1!"),
        Harm.RENEWED: refused("pay 1! token 1 pay 1!"),
        Harm.WALLED: page("pay 1! token 2 status 2 pay 2"),
    },
    (PAY, ALL): {
        Harm.NONE: page("pay 1"),
        Harm.UNSENT: unreachable("pay 1! pay 2! pay 1!"),
        Harm.LOST: unknown("pay 1! status 2 pay 2! status 1", known=0),
        Harm.KEPT: no_page("pay 1! status 2 | pay 2! status 1 | pay 1! status 2"),
        Harm.BUSY: unreachable("pay 1! pay 2!"),
        Harm.CLOSED: unreachable("pay 1!"),
        Harm.REFUSED: refused("pay 1!"),
        Harm.RENEWED: refused("pay 1! token 1 pay 1!"),
        Harm.WALLED: unknown("pay 1! token 2 status 2 pay 2! token 1 status 1", known=0),
    },
    (PAY, ONCE): {
        Harm.NONE: page("pay 1"),
        Harm.UNSENT: page("pay 1! pay 1"),
        Harm.LOST: page("pay 1! status 1 pay 1"),
        Harm.KEPT: page("pay 1! status 1 | pay 1"),
        Harm.BUSY: page("pay 1! pay 1"),
        Harm.CLOSED: unreachable("pay 1!"),
        Harm.REFUSED: refused("pay 1!"),
        Harm.RENEWED: page("pay 1! token 1 pay 1"),
        Harm.WALLED: page("pay 1! token 1 status 1 pay 1"),
    },
    (REFUND, FIRST): {
        Harm.NONE: going_back("refund 1", "known", 1),
        Harm.UNSENT: going_back("refund 1! refund 2", "known", 1),
        Harm.LOST: going_back("refund 1! refund_status 2 refund 2", "known", 1),
        Harm.KEPT: going_back("refund 1! refund_status 2", "known", 1),
        Harm.BUSY: going_back("refund 1! refund 2", "known", 1),
        Harm.CLOSED: going_back("refund 1!", "503", 0),
        Harm.REFUSED: going_back("refund 1!", "502", 0),
        Harm.DISPUTED: going_back("refund 1! refund_status 1", "502", 0),
        Harm.RENEWED: going_back("refund 1! token 1 refund 1!", "502", 0),
        Harm.WALLED: going_back("refund 1! token 2 refund_status 2 refund 2", "known", 1),
        Harm.STRANGE: going_back("refund 1", "unclear", 1),
    },
    (REFUND, ALL): {
        Harm.NONE: going_back("refund 1", "known", 1),
        Harm.UNSENT: going_back("refund 1! refund 2! refund 1!", "503", 0),
        Harm.LOST: going_back("refund 1! refund_status 2 refund 2! refund_status 1", "504", 0),
        Harm.KEPT: going_back("refund 1! refund_status 2", "known", 1),
        Harm.BUSY: going_back("refund 1! refund 2!", "503", 0),
        Harm.CLOSED: going_back("refund 1!", "503", 0),
        Harm.REFUSED: going_back("refund 1!", "502", 0),
        Harm.DISPUTED: going_back("refund 1! refund_status 1", "502", 0),
        Harm.RENEWED: going_back("refund 1! token 1 refund 1!", "502", 0),
        Harm.WALLED: going_back(
            "refund 1! token 2 refund_status 2 refund 2! token 1 refund_status 1", "504", 0
        ),
        Harm.STRANGE: going_back("refund 1", "unclear", 1),
    },
    (REFUND_STATUS, FIRST): {
        Harm.NONE: going_back("refund_status 1", "known", 1),
        Harm.UNSENT: going_back("refund_status 1! refund_status 2", "known", 1),
        Harm.LOST: going_back("refund_status 1! refund_status 2", "known", 1),
        Harm.KEPT: going_back("refund_status 1! refund_status 2", "known", 1),
        Harm.BUSY: going_back("refund_status 1! refund_status 2", "known", 1),
        Harm.CLOSED: going_back("refund_status 1!", "503", 1),
        Harm.REFUSED: going_back("refund_status 1!", "502", 1),
        Harm.RENEWED: going_back("refund_status 1! token 1 refund_status 1!", "502", 1),
        Harm.WALLED: going_back("refund_status 1! refund_status 2", "known", 1),
        Harm.STRANGE: going_back("refund_status 1", "unclear", 1),
    },
    (REFUND_STATUS, ALL): {
        Harm.NONE: going_back("refund_status 1", "known", 1),
        Harm.UNSENT: going_back("refund_status 1! refund_status 2! refund_status 1!", "503", 1),
        Harm.LOST: going_back("refund_status 1! refund_status 2! refund_status 1!", "504", 1),
        Harm.KEPT: going_back("refund_status 1! refund_status 2! refund_status 1!", "504", 1),
        Harm.BUSY: going_back("refund_status 1! refund_status 2!", "503", 1),
        Harm.CLOSED: going_back("refund_status 1!", "503", 1),
        Harm.REFUSED: going_back("refund_status 1!", "502", 1),
        Harm.RENEWED: going_back("refund_status 1! token 1 refund_status 1!", "502", 1),
        Harm.WALLED: going_back(
            "refund_status 1! refund_status 2! refund_status 1! token 2 refund_status 2! refund_status 1!",
            "504",
            1,
        ),
        Harm.STRANGE: going_back("refund_status 1", "unclear", 1),
    },
    (REFUND_AND_STATUS, ALL): {
        Harm.LOST: going_back("refund 1! refund_status 2! refund_status 1! refund_status 2!", "504", 0),
        Harm.KEPT: going_back("refund 1! refund_status 2! refund_status 1! refund_status 2!", "504", 1),
        Harm.DISPUTED: going_back("refund 1! refund_status 1!", "504", 0),
    },
    # Whatever is said is broken: also the question that should clear it up.
    (EVERYTHING, ALL): {
        Harm.LOST: unknown("pay 1! status 2! status 1! status 2!", known=0),
        Harm.KEPT: unknown("pay 1! status 2! status 1! status 2!", known=1),
        Harm.WALLED: unknown(
            "pay 1! token 2 status 2! status 1! status 2! token 1 status 1! status 2!", known=0
        ),
        Harm.STRANGE: unknown("pay 1! status 2", known=1),
    },
    (TOKEN, FIRST): {
        Harm.NONE: page("token 1 pay 1"),
        Harm.UNSENT: page("token 1! token 2 pay 1! pay 2"),
        Harm.LOST: page("token 1! token 2 pay 2"),
        Harm.KEPT: page("token 1! token 2 pay 2"),
        Harm.BUSY: page("token 1! token 2 pay 1"),
        Harm.CLOSED: unreachable("token 1!"),
        Harm.REFUSED: refused("token 1!"),
    },
    (TOKEN, ALL): {
        Harm.NONE: page("token 1 pay 1"),
        Harm.UNSENT: unreachable("token 1! token 2! token 1!"),
        Harm.LOST: unreachable("token 1! token 2! token 1!"),
        Harm.KEPT: unreachable("token 1! token 2! token 1!"),
        Harm.BUSY: unreachable("token 1! token 2!"),
        Harm.CLOSED: unreachable("token 1!"),
        Harm.REFUSED: refused("token 1!"),
    },
    (TOKEN, ONCE): {
        Harm.NONE: page("token 1 pay 1"),
        Harm.UNSENT: page("token 1! token 1 pay 1"),
        Harm.LOST: page("token 1! token 1 pay 1"),
        Harm.KEPT: page("token 1! token 1 pay 1"),
        Harm.BUSY: page("token 1! token 1 pay 1"),
        Harm.CLOSED: unreachable("token 1!"),
        Harm.REFUSED: refused("token 1!"),
    },
    (STATUS, FIRST): {
        Harm.NONE: paid("status 1"),
        Harm.UNSENT: paid("status 1! status 2"),
        Harm.LOST: paid("status 1! status 2"),
        Harm.KEPT: paid("status 1! status 2"),
        Harm.BUSY: paid("status 1! status 2"),
        Harm.CLOSED: as_it_was("status 1!"),
        Harm.REFUSED: as_it_was("status 1!"),
        Harm.RENEWED: as_it_was("status 1! token 1 status 1!"),
        Harm.WALLED: paid("status 1! status 2"),
        Harm.STRANGE: as_it_was("status 1"),
    },
    (STATUS, ALL): {
        Harm.NONE: paid("status 1"),
        Harm.UNSENT: as_it_was("status 1! status 2! status 1!"),
        Harm.LOST: as_it_was("status 1! status 2! status 1!"),
        Harm.KEPT: as_it_was("status 1! status 2! status 1!"),
        Harm.BUSY: as_it_was("status 1! status 2!"),
        Harm.CLOSED: as_it_was("status 1!"),
        Harm.REFUSED: as_it_was("status 1!"),
        Harm.RENEWED: as_it_was("status 1! token 1 status 1!"),
        Harm.WALLED: as_it_was("status 1! status 2! status 1! token 2 status 2! status 1!"),
        Harm.STRANGE: as_it_was("status 1"),
    },
    (STATUS, ONCE): {
        Harm.NONE: paid("status 1"),
        Harm.UNSENT: paid("status 1! status 1"),
        Harm.LOST: paid("status 1! status 1"),
        Harm.KEPT: paid("status 1! status 1"),
        Harm.BUSY: paid("status 1! status 1"),
        Harm.CLOSED: as_it_was("status 1!"),
        Harm.REFUSED: as_it_was("status 1!"),
        Harm.RENEWED: paid("status 1! token 1 status 1"),
        Harm.WALLED: paid("status 1! status 1"),
        Harm.STRANGE: as_it_was("status 1"),
    },
}

# Where nobody says anything the time is over before anything could be repeated.
SILENCE: dict[tuple[str, str], dict[Harm, Outcome]] = {
    (EVERYTHING, ALL): {
        Harm.LOST: unknown("pay 1! status 2! status 1!", known=0),
        Harm.KEPT: unknown("pay 1! status 2! status 1!", known=1),
    },
    (TOKEN, ALL): {
        Harm.UNSENT: unreachable("token 1! token 2!"),
        Harm.LOST: unreachable("token 1! token 2!"),
        Harm.KEPT: unreachable("token 1! token 2!"),
    },
    (STATUS, ALL): {
        Harm.UNSENT: as_it_was("status 1! status 2!"),
        Harm.LOST: as_it_was("status 1! status 2!"),
        Harm.KEPT: as_it_was("status 1! status 2!"),
    },
    (REFUND_STATUS, ALL): {
        Harm.LOST: going_back("refund_status 1! refund_status 2!", "504", 1),
        Harm.KEPT: going_back("refund_status 1! refund_status 2!", "504", 1),
    },
    (REFUND_AND_STATUS, ALL): {
        Harm.LOST: going_back("refund 1! refund_status 2! refund_status 1!", "504", 0),
        Harm.KEPT: going_back("refund 1! refund_status 2! refund_status 1!", "504", 1),
    },
}


def outcome_of(operation: str, where: str, harm: Harm, silent: bool) -> Outcome | None:
    """None: there is no such row."""
    by_silence = SILENCE.get((operation, where), {}) if silent else {}
    return by_silence.get(harm) or EXPECTED.get((operation, where), {}).get(harm)

"""The table as a page for people: `python -m tests.integration.wire.page` writes docs/wire-table.md."""

from collections.abc import Iterator

from tests.harness import ROOT
from tests.integration.wire.expectations import (
    ALL,
    EVERYTHING,
    FIRST,
    ONCE,
    PAY,
    REFUND,
    REFUND_AND_STATUS,
    REFUND_STATUS,
    STATUS,
    TOKEN,
    Outcome,
    outcome_of,
)
from tests.integration.wire.faults import RETURNS, Effect, Fault
from tests.integration.wire.rows import FAULTS, GENERATIONS, is_told_apart

PAGE = ROOT / "docs" / "wire-table.md"
OPENING = """\
# What happens after each network fault

This table lists the faults that can happen between us and PhonePe, and the result of each. Every row is a test over
real sockets (`make wire-table`), for V1 and V2, through TLS, with two addresses of PhonePe that lead to one
simulator. This page is written from the rows of those tests (`python -m tests.integration.wire.page`); a test fails
when it is out of date.

How to read a cell: `pay 1!` is an HTTP attempt at the first address that failed, `pay 2` one at the second address
that did not fail. `|` separates the orders of one payment. Then follow the result for the caller, and how many orders
(or refunds) PhonePe has. The tests allow one retry (`PHONEPE_MAX_RETRIES=1`); the default is three.

| result | means | payment, attempt |
|---|---|---|
| page | the checkout page is open | PENDING, PENDING; an order whose page was lost is PENDING and polled, too |
| 503 | nothing was sent, or PhonePe's rate limit rejected it unread | PENDING, CREATED; the next click sends it again |
| 502 | PhonePe has rejected the request | FAILED, FAILED; the cart is free, the next click makes a new payment |
| 504 | it may have arrived; its outcome is not known | PENDING, UNKNOWN; the worker polls, the next click polls first |
| 409 | three orders, and the pages of all three were lost | PENDING, three times PENDING; no fourth order |
| paid | the status request was answered | SUCCESS, COMPLETED, booked |
| as it was | the status request was not answered | PENDING, PENDING; the next poll finds the money |
| known | PhonePe has said that it has the refund | SUCCESS, COMPLETED, as in every row of a refund |
| unclear | PhonePe's answer contains no status that we know | SUCCESS, COMPLETED; the next poll finds the status |

In the rows of refunds 502, 503 and 504 mean the same for the refund, and the payment stays paid. These rows call the
gateway directly, which sends every refund.

An error names its category, and the host and port that failed: the last address tried, or its proxy.

Every row also checks: the call takes at most the deadline and a tenth; a fault that is not silence is reported at
once; no order at PhonePe is left without polls; the buyer has one page at most. When the network works again, the
next click gets a page (except after 409), or the next poll finds the money, which is booked once, or the refund. A
refund that PhonePe does not have is sent again under the same id, and is paid once.

PhonePe may have closed a connection that was kept from an earlier call. If it has done so before the request is
written, that is noticed: a new connection is made, and the outcome is certain. If it does so while the request is
written, the request may have arrived, and its status is polled.

What a fault does to a request:
"""
TITLES = {
    PAY: ("Opening an order", "V2 already has an access token.", (FIRST, ALL, ONCE)),
    TOKEN: ("Fetching the access token of V2", "Then an order is opened with it.", (FIRST, ALL, ONCE)),
    EVERYTHING: ("Opening an order, and fetching its status", "Both fail at both addresses.", (ALL,)),
    STATUS: ("Fetching the status of a paid order", "", (FIRST, ALL, ONCE)),
    REFUND: ("Sending a refund", "", (FIRST, ALL)),
    REFUND_AND_STATUS: ("Sending a refund, and fetching its status", "Both fail at both addresses.", (ALL,)),
    REFUND_STATUS: ("Fetching the status of a sent refund", "", (FIRST, ALL)),
}


def text() -> str:
    effects = "\n".join(f"- {effect.name}: {effect.value}" for effect in Effect)
    return (
        "\n".join([OPENING + effects, *(line for operation in TITLES for line in _section(operation))]) + "\n"
    )


def _section(operation: str) -> Iterator[str]:
    title, about, wheres = TITLES[operation]
    yield f"\n## {title}\n"
    if about:
        yield f"{about}\n"
    yield f"| fault | effect | category | {' | '.join(f'at {where}' for where in wheres)} |"
    yield "|---" * (3 + len(wheres)) + "|"
    for fault in FAULTS:
        yield from _lines(fault, operation, wheres)


def _lines(fault: Fault, operation: str, wheres: tuple[str, ...]) -> Iterator[str]:
    """One line, or one for each generation where they differ."""
    spoken = GENERATIONS[1:] if operation == TOKEN else GENERATIONS
    told: dict[str, list[str]] = {}
    for generation in spoken:
        cells = [_cell(fault, operation, where, generation) for where in wheres]
        effect = fault.effect_on(operation, generation).name
        if any(cells):
            line = f"{effect} | {fault.category_of(operation) or '–'} | {' | '.join(cells)} |"
            told.setdefault(line, []).append(generation.upper())
    for line, generations in told.items():
        only = f" ({', '.join(generations)})" if len(generations) < len(spoken) else ""
        yield f"| {fault.title}{only} | {line}"


def _cell(fault: Fault, operation: str, where: str, generation: str) -> str:
    if not is_told_apart(fault, operation, where, generation):
        return ""
    outcome = outcome_of(operation, where, fault.effect_on(operation, generation), fault.silent)
    tries = outcome.tries.replace("|", "\\|")
    return f"`{tries}`: {outcome.told}, {_known(outcome, 'refund' if operation in RETURNS else 'order')}"


def _known(outcome: Outcome, noun: str) -> str:
    return f"{outcome.known} {noun}" if outcome.known == 1 else f"{outcome.known} {noun}s"


if __name__ == "__main__":
    PAGE.write_text(text())

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
from tests.integration.wire.faults import RETURNS, Fault, Harm
from tests.integration.wire.rows import FAULTS, GENERATIONS, is_told_apart

PAGE = ROOT / "docs" / "wire-table.md"
OPENING = """\
# The wire, fault by fault

What comes of everything that can go wrong between us and PhonePe. Every row is a test over real sockets (`make
wire-table`), for V1 and V2, through TLS, with two addresses of PhonePe before one simulator; this page is written from
the rows of those tests (`python -m tests.integration.wire.page`) and a test refuses one that is out of date.

How to read a cell: `pay 1!` is a try at the first address that broke, `pay 2` one at the second that did not, `|`
stands before the next order of the same payment. Then what the caller is told, and how many orders (or refunds) PhonePe
has. The tests allow one repeat (`PHONEPE_MAX_RETRIES=1`); the default is three.

| told | means | payment, attempt |
|---|---|---|
| page | the page is open | PENDING, PENDING; an order whose page was lost is PENDING too and watched to its end |
| 503 | nothing was sent, or PhonePe turned us away unread | PENDING, CREATED; the next click says the same order |
| 502 | PhonePe read it and said no | FAILED, FAILED; the cart is free, the next click is a new payment |
| 504 | it may have arrived, nobody can tell | PENDING, UNKNOWN; we go on asking, the next click asks first |
| 409 | three orders, three lost pages | PENDING, three times PENDING; no fourth order |
| paid | the question was answered | SUCCESS, COMPLETED, booked |
| as it was | the question was not answered | PENDING, PENDING; the next question finds the money |
| known | PhonePe has said that it has the refund | SUCCESS, COMPLETED, as in every row of a refund |
| unclear | PhonePe has answered, and said nothing that we understand | SUCCESS, COMPLETED; the next question tells |

In rows of refunds 502, 503 and 504 say the same of the refund, and the payment stays paid. These rows speak to the
gateway, which every refund goes through.

An error names its category, and host and port of the hop that broke: the last address tried, or the proxy before it.

Every row shows besides: it takes no longer than the deadline and a tenth, and what is not silence is told at once; no
order at PhonePe is left unwatched; the buyer holds one page at most; when the wire is whole again, the next click gets
a page (but for 409), or the next question finds the money, which is booked once, or the refund; one that PhonePe has
not got is said again under the same id, and goes back once.

A connection that was kept from an earlier call may have been hung up. What PhonePe has done before we write is seen
before we write: a new connection is made, and nothing is in doubt. What it does as we write is not: the message counts
as one that may have arrived, and is asked about.

What a fault does to a message:
"""
TITLES = {
    PAY: ("Opening an order", "The token of V2 is there already.", (FIRST, ALL, ONCE)),
    TOKEN: ("Fetching the token of V2", "Then opening an order with it.", (FIRST, ALL, ONCE)),
    EVERYTHING: ("Opening an order, and asking about it", "Both break at both addresses.", (ALL,)),
    STATUS: ("Asking about an order that was paid", "", (FIRST, ALL, ONCE)),
    REFUND: ("Sending money back", "", (FIRST, ALL)),
    REFUND_AND_STATUS: ("Sending money back, and asking about it", "Both break at both addresses.", (ALL,)),
    REFUND_STATUS: ("Asking about a refund that was sent", "", (FIRST, ALL)),
}


def text() -> str:
    harms = "\n".join(f"- {harm.name}: {harm.value}" for harm in Harm)
    return (
        "\n".join([OPENING + harms, *(line for operation in TITLES for line in _section(operation))]) + "\n"
    )


def _section(operation: str) -> Iterator[str]:
    title, about, wheres = TITLES[operation]
    yield f"\n## {title}\n"
    if about:
        yield f"{about}\n"
    yield f"| fault | harm | called | {' | '.join(f'at {where}' for where in wheres)} |"
    yield "|---" * (3 + len(wheres)) + "|"
    for fault in FAULTS:
        yield from _lines(fault, operation, wheres)


def _lines(fault: Fault, operation: str, wheres: tuple[str, ...]) -> Iterator[str]:
    """One line, or one for each generation where they differ."""
    spoken = GENERATIONS[1:] if operation == TOKEN else GENERATIONS
    told: dict[str, list[str]] = {}
    for generation in spoken:
        cells = [_cell(fault, operation, where, generation) for where in wheres]
        harm = fault.harm_to(operation, generation).name
        if any(cells):
            line = f"{harm} | {fault.category_of(operation) or '–'} | {' | '.join(cells)} |"
            told.setdefault(line, []).append(generation.upper())
    for line, generations in told.items():
        only = f" ({', '.join(generations)})" if len(generations) < len(spoken) else ""
        yield f"| {fault.title}{only} | {line}"


def _cell(fault: Fault, operation: str, where: str, generation: str) -> str:
    if not is_told_apart(fault, operation, where, generation):
        return ""
    outcome = outcome_of(operation, where, fault.harm_to(operation, generation), fault.silent)
    tries = outcome.tries.replace("|", "\\|")
    return f"`{tries}`: {outcome.told}, {_known(outcome, 'refund' if operation in RETURNS else 'order')}"


def _known(outcome: Outcome, noun: str) -> str:
    return f"{outcome.known} {noun}" if outcome.known == 1 else f"{outcome.known} {noun}s"


if __name__ == "__main__":
    PAGE.write_text(text())

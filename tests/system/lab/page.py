"""The table as people read it: printed line by line, and kept in docs/diagnose-lab.md."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from tests.harness import ROOT
from tests.system.lab.case import Case
from tests.system.lab.cases import CASES
from tests.system.lab.running import Outcome

PAGE = ROOT / "docs" / "diagnose-lab.md"
COLUMNS = ("case", "where", "version", "verdict", "must act", "ms", "right")
WIDTHS = (40, 15, 7, 22, 13, 5, 5)
OPENING = """\
# The laboratory of the diagnosis

Each row is a fault that the diagnosis can name. The fault is produced for real, and the diagnosis must find it. `make
diagnose-lab` plays each row, prints the result, and writes this page; the tests play the same rows
(`tests/system/lab`).

Each row is a process with a network of its own (a network namespace, which takes root): there PhonePe's names lead to
servers with certificates for these names on port 443, `/etc/resolv.conf` names a name server that can be told to fail,
and every host, proxy, mail server, broker and database has its own address. Packets are dropped by a filter in
the kernel, routes reject, certificates are signed by an authority that this server trusts or does not, PhonePe's own
answers come from the simulator, which checks every credential, and PostgreSQL is a real one that is stopped or frozen.

"first" and "second" are the addresses that the settings name for payments: where one of the two is broken, customers
pay by the other, the verdict is `ok`, and `next_action` names the broken one. Only a pause that the first one asks
for (429) is kept for both. "all of PhonePe" includes its other environment, "all hosts" the control hosts too,
"dependencies" are our own database, cache, disk, worker, mail server and broker, "webhook" is our public address. Of
two faults the verdict is the one to repair first.

A row is right when verdict, who must act, the finding at the layer that failed, the address that is named, and the
further faults are as expected; when it took eleven seconds at most (ten and a tenth; with a hundredth of a CPU
twenty); when no configured secret is in the answer, the history or the log; and when a caller without a login sees no
address, error or id. Eight rows run at a time. Up to twelve that were wrong are repeated, alone: on a busy machine a
timeout may end before an answer comes.

| case | where | verdict | must act | ms |
|---|---|---|---|---|
"""


def show(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """Prints a line for each as it comes, and what they come to."""
    print(_line(COLUMNS))  # noqa: T201
    met = {}
    for outcome in outcomes:
        met[outcome.name] = outcome
        print(_line(_cells(CASES[outcome.name], outcome)), flush=True)  # noqa: T201
        for complaint in outcome.wrong:
            print(f"    {complaint}", flush=True)  # noqa: T201
    wrong = [outcome for outcome in met.values() if outcome.wrong]
    longest = max((outcome.milliseconds for outcome in met.values()), default=0)
    print(f"{len(met)} cases, {len(wrong)} wrong; the longest look took {longest} ms")  # noqa: T201
    return met


def text(outcomes: Mapping[str, Outcome]) -> str:
    return OPENING + "".join(f"{line}\n" for line in lines(outcomes))


def lines(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """One for all versions of PhonePe's API that say the same; the last cell is what was measured."""
    for (title, where, verdict, culprit), same in groupby(sorted(CASES.values(), key=_what), key=_what):
        took = ", ".join(_measured(case, outcomes) for case in same)
        yield f"| {title} | {where} | `{verdict}` | {culprit} | {took} |"


def _what(case: Case) -> tuple[str, str, str, str]:
    return case.title, case.where, case.verdict.value, str(case.culprit)


def _measured(case: Case, outcomes: Mapping[str, Outcome]) -> str:
    took = outcomes[case.name].milliseconds if case.name in outcomes else "?"
    return f"{case.generation.upper()} {took}"


def _cells(case: Case, outcome: Outcome) -> tuple[str, ...]:
    right = "NO" if outcome.wrong else "yes"
    version = case.generation.upper()
    found = outcome.verdict, outcome.culprit, str(outcome.milliseconds)
    return case.title, case.where, version, *found, right


def _line(cells: Iterable[str]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()

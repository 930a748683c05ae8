"""Each case in a process and a testbed of its own, a few side by side; what came of it, and what is wrong with that."""

import json
import multiprocessing
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.pool import AsyncResult
from pathlib import Path

from django.db import connections
from django.urls import resolve

from diagnostics import webhook_check
from diagnostics.enums import Culprit
from diagnostics.serializers import ShortDiagnosisSerializer
from payment.models import DiagnosisRun
from tests.system.lab import dependencies
from tests.system.lab.case import Case
from tests.system.lab.cases import CASES
from tests.system.lab.testbed import Testbed, Wire, layers

AT_ONCE = 8  # most of them wait for somebody's silence
AGAIN = 12  # more of them are wrong for another reason than a busy machine
ABANDONED = 120  # seconds
# Addresses, errors, ids and names of our own network are no business of strangers.
INTERNAL = re.compile(
    r"\d+\.\d+\.\d+\.\d+|Errno|Error\b|hosting\.example|SIM-?CLIENT|SIMMERCHANT|PGTEST|sqlite"
)


@dataclass(frozen=True)
class Outcome:
    """`wrong` is empty when everything is as the row says."""

    name: str
    verdict: str
    culprit: str
    milliseconds: int
    wrong: tuple[str, ...]


def outcomes(names: Iterable[str], database: Path) -> Iterator[Outcome]:
    """`database`: an SQLite file with all tables, of which each case gets a copy.

    What was wrong among many is played once more, alone: on a busy machine patience ends before an answer comes.
    """
    names = list(names)
    if any(CASES[name].needs_postgresql for name in names):
        dependencies.make_postgres_template()
    connections.close_all()
    resolve(webhook_check.PATH)  # imports every view, once and not in each case
    with multiprocessing.get_context("fork").Pool(AT_ONCE, maxtasksperchild=1) as pool:
        waiting = {name: pool.apply_async(outcome, (name, database)) for name in names}
        again = []
        for name, pending in waiting.items():
            met = _met(name, pending)
            if met.wrong and len(again) < AGAIN:
                again.append(name)
            else:
                yield met
        yield from (_met(name, pool.apply_async(outcome, (name, database))) for name in again)


def _met(name: str, pending: "AsyncResult[Outcome]") -> Outcome:
    try:
        return pending.get(ABANDONED)
    except (AssertionError, OSError, subprocess.CalledProcessError, multiprocessing.TimeoutError) as error:
        return Outcome(name, "", "", 0, (f"the laboratory itself: {error!r}",))


def outcome(name: str, database: Path) -> Outcome:
    """Enters a testbed: for a process that ends with this case."""
    case = CASES[name]
    with tempfile.TemporaryDirectory(prefix="okpuja-lab-", ignore_cleanup_errors=True) as folder:
        testbed = Testbed(Path(folder), case.generation)
        case.arrange(testbed)
        testbed.open(database)
        found = case.look(testbed)
        wrong = tuple(complaints(case, testbed, found))
    return Outcome(name, found["verdict"], found["culprit"], testbed.milliseconds, wrong)


def complaints(case: Case, testbed: Testbed, found: Wire) -> Iterator[str]:
    judged = found["verdict"], found["culprit"]
    if case.instead and judged == case.instead:
        case = replace(case, verdict=case.instead[0], finding="", named="", also=())
    elif judged != (case.verdict, case.culprit):
        yield f"expected {case.verdict}, {case.culprit}; found {judged}: {found['summary']}"
    if testbed.milliseconds > case.longest:
        yield f"took {testbed.milliseconds} ms"
    yield from _about_evidence(case, testbed, found)
    yield from _about_further_faults(case, found)
    yield from _about_the_letter(found)
    yield from _about_secrets(testbed, found)
    yield from _about_strangers(found)


def _about_evidence(case: Case, testbed: Testbed, found: Wire) -> Iterator[str]:
    for host in case.broken(testbed):
        met = {layer["finding"] for layer in layers(found, host)}
        if case.finding not in met:
            yield f"expected {case.finding} at {host.target}, found {sorted(filter(None, met))}"
    if case.dependency and found["dependencies"][case.dependency]["finding"] != case.finding:
        yield f"expected {case.finding} of {case.dependency}, found {found['dependencies'][case.dependency]}"
    if case.named not in found["next_action"]:
        yield f"{case.named} is not named: {found['next_action']}"


def _about_further_faults(case: Case, found: Wire) -> Iterator[str]:
    told = [other["verdict"] for other in found["also"]]
    if told != list(case.also):
        yield f"expected besides {list(case.also)}, found {told}"


def _about_the_letter(found: Wire) -> Iterator[str]:
    letter = found["support_message"]
    if bool(letter) == (found["culprit"] == Culprit.NONE):
        yield f"a message to {letter and letter['to']} while {found['culprit']} must act"
    if letter and not ("UTC" in letter["body"] and "IST" in letter["body"]):
        yield "the message does not say when"


def _about_secrets(testbed: Testbed, found: Wire) -> Iterator[str]:
    """Everything that leaves or stays: the answer, the row of the history, the log."""
    kept = [[run.answer, run.circumstances, run.summary] for run in DiagnosisRun.objects.all()]
    places = {"answer": found, "history": kept, "log": testbed.said.getvalue()}
    for place, said in places.items():
        text = json.dumps(said, default=str, ensure_ascii=False)
        yield from (f"{secret} stands in the {place}" for secret in testbed.secrets if secret in text)


def _about_strangers(found: Wire) -> Iterator[str]:
    seen = json.dumps(ShortDiagnosisSerializer(found).data)
    if leaked := INTERNAL.search(seen):
        yield f"strangers read {leaked[0]!r}: {seen}"

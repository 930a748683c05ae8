"""Verdict and culprit of every case in the table, made with real sockets, certificates, resolvers and processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from diagnostics.enums import Culprit, Finding, Verdict
from tests.harness import ROOT
from tests.harness.processes import process_environment
from tests.system.lab import installation, page
from tests.system.lab.cases import CASES

REFUSAL = installation.refusal()
HERE = Path(__file__)


def played(name):
    """On one database only: a case has a network, processes and a database of its own."""
    only = pytest.mark.only_postgresql if CASES[name].needs_postgresql else pytest.mark.only_sqlite
    return pytest.param(name, marks=only)


@pytest.fixture(scope="module")
def laboratory(request):
    """What came of all cases that this run wants: they are played side by side."""
    wanted = [item for item in request.session.items if item.path == HERE and hasattr(item, "callspec")]
    names = [item.callspec.params["name"] for item in wanted if "name" in item.callspec.params]
    told = play(names)
    # Cases wait for real seconds, in which other tests may have had the CPU: what was wrong is played once more.
    return told | play([name for name in names if told[name]["wrong"]])


def play(names):
    if not names:
        return {}
    lab = subprocess.run(
        [sys.executable, "-m", "tests.system.lab", "--json"],
        input="\n".join(names), cwd=ROOT, env=process_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert lab.returncode == 0, lab.stderr
    return {outcome["name"]: outcome for outcome in map(json.loads, lab.stdout.splitlines())}


@pytest.mark.proof(every=300)
@pytest.mark.sockets
@pytest.mark.skipif(bool(REFUSAL), reason=REFUSAL)
@pytest.mark.parametrize("name", [played(name) for name in CASES])
def test_what_is_broken_is_named_and_who_must_act(laboratory, name):
    assert laboratory[name]["wrong"] == []


def test_every_verdict_is_made_by_some_case():
    assert {case.verdict for case in CASES.values()} == set(Verdict)


def test_everybody_who_may_have_to_act_has_to_in_some_case():
    assert {case.culprit for case in CASES.values()} == set(Culprit)


def test_every_finding_of_a_layer_is_met_in_some_case():
    """But for three: an address family that is not there, and two words for answers that say the same as others."""
    told_otherwise = {Finding.NO_ADDRESS, Finding.FORBIDDEN, Finding.CREDENTIALS_REFUSED}
    assert {case.finding for case in CASES.values()} >= set(Finding) - told_otherwise


def test_the_page_has_every_case_with_what_must_be_said_of_it():
    def without_measures(lines):
        return [line.rpartition(" | ")[0] for line in lines]

    told = page.PAGE.read_text().removeprefix(page.OPENING).splitlines()
    assert without_measures(told) == without_measures(page.lines({})), "out of date: make diagnose-lab"

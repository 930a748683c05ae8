"""What `make test` leaves out, `make proofs` plays. (`make samples` counts it over all tests.)"""

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.samples import COLLECTED, Selection

TEST = {database: Selection(on_postgresql=database, proofs=False, fast=False) for database in (False, True)}
PROOFS = [Selection(on_postgresql=database, proofs=True, fast=False) for database in (False, True)]
# `... and not which("pg_dump")` is about the machine.
DATABASE = re.compile(r"skipif\(\s*['\"]?(?:not |\w+ != )?(?:ON_POSTGRESQL|connection\.vendor)(?! and)")


def test_make_proofs_leaves_out_no_case(request):
    collected = request.config.stash[COLLECTED]

    assert [item for item in collected if not any(run.plays(item, 1, 2) for run in PROOFS)] == []


@pytest.mark.proof(every=6)
def test_of_a_test_in_the_sample_a_case_is_always_played_and_none_on_both_databases(request):
    """However few it has."""
    request.node.add_marker(pytest.mark.postgresql)  # else PostgreSQL plays no test without a database
    for cases in range(1, 30):
        on_sqlite, on_postgresql = (
            {number for number in range(cases) if selection.plays(request.node, number, cases)}
            for selection in TEST.values()
        )
        assert len(on_postgresql) in (cases // 6, cases // 6 + 1)
        assert on_postgresql
        assert not on_sqlite & on_postgresql
        assert on_sqlite or cases == 1


@pytest.mark.browser
def test_a_page_is_seen_on_one_size_in_make_test(request):
    assert [TEST[False].plays(request.node, number, 2) for number in range(2)].count(True) == 1


def test_of_many_similar_cases_a_few_are_played_other_ones_on_the_second_database(request):
    request.node.add_marker(pytest.mark.postgresql)
    for cases in (4, 5, 6, 9, 12, 40, 324):
        on_sqlite, on_postgresql = (
            {number for number in range(cases) if selection.plays(request.node, number, cases)}
            for selection in TEST.values()
        )
        assert 2 <= len(on_sqlite) <= 10
        assert 1 <= len(on_postgresql) <= 10
        assert not on_sqlite & on_postgresql


def test_of_two_parameters_neither_has_one_value_only(request):
    for first, second in product((2, 3, 4), (3, 6, 13, 40)):
        cases = product(range(first), range(second))
        numbers = enumerate(cases)
        played = [case for number, case in numbers if TEST[False].plays(request.node, number, first * second)]
        assert len({one for one, _ in played}) > 1
        assert len({other for _, other in played}) > 1


def test_whoever_names_a_file_gets_all_of_its_cases(request):
    named = Selection(on_postgresql=False, proofs=False, fast=False, names_files=True)
    assert all(named.plays(request.node, number, 50) for number in range(50))


@pytest.mark.only_sqlite
def test_what_is_about_sqlite_is_played_there(request):
    assert [TEST[database].plays(request.node, 0, 1) for database in (False, True)] == [True, False]


@pytest.mark.only_postgresql
def test_what_is_about_postgresql_is_played_there(request):
    assert [TEST[database].plays(request.node, 0, 1) for database in (False, True)] == [False, True]


@pytest.mark.only_sqlite
def test_a_misspelt_name_fails():
    command = [sys.executable, "-m", "pytest", "-q", "-n0", __file__, "-k", "nothing_is_called_so"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 5


def test_no_test_is_skipped_for_its_database():
    """Each database leaves to the other one what that plays: nobody would play it. The two markers say it to both."""
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [path.name for path in tests if DATABASE.search(path.read_text())] == []

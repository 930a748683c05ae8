"""Every row of both contracts that belongs to a customer, and the page that lists them."""

from functools import cache

import pytest

from tests.integration.frontend import page
from tests.integration.frontend.contracts import play, rows_of
from tests.integration.frontend.rows import BOTH

NAMES = [(one.era, one.name) for era in BOTH for one in rows_of(era)]


@pytest.fixture(scope="module")
def played(shop):
    """`played(era)`: the story of a site once, for all its rows."""
    return cache(lambda era: {one.name: trouble for one, trouble in play(shop, era).items()})


# Each row is free once the story of its site is told. `make test` tells that of today's site.
EVERY = pytest.mark.proof(every=1)
CASES = [
    pytest.param(*name, marks=EVERY if name[0] == "today" else pytest.mark.proof, id=" ".join(name))
    for name in NAMES
]


@pytest.mark.sockets
@pytest.mark.parametrize(("era", "name"), CASES)
def test_the_site_gets_what_it_reads(played, era, name):
    assert played(era)[name] == ""


def test_no_two_rows_have_one_name():
    assert len(set(NAMES)) == len(NAMES)


def test_the_page_lists_these_rows():
    every = {one: "" for era in BOTH for one in rows_of(era)}
    assert page.PAGE.read_text(encoding="utf-8") == page.text(every), "run: make frontends"

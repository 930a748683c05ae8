"""docs/glossary.md names a file for each term: the file exists, and no term stands there twice."""

import re

import pytest

from tests.harness import ROOT

ROWS = re.findall(
    r"^\| ([^|]+) \| [^|]+ \| `([^`]+)` \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
)


@pytest.mark.parametrize(("term", "file"), ROWS)
def test_the_file_of_a_term_exists(term, file):
    assert (ROOT / file).is_file(), term


def test_no_term_is_explained_twice():
    terms = [term for cell, _ in ROWS for term in cell.split(", ")]

    assert len(terms) > 80
    assert sorted(terms) == sorted(set(terms))

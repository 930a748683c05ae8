"""docs/asvs.md: what is said to hold names a test or a file, and each of them exists."""

import re

import pytest

from tests.harness import ROOT

WORDS = {"holds", "part", "does not hold", "does not apply"}
PATH = re.compile(r"`((?:[\w-]+/)+[\w.-]+\.\w+)(?:::(\w+))?`")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/asvs.md").read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (\d|beyond)", line)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_a_row_says_truly_where_it_is_shown(row):
    requirement, about, state, evidence = row
    assert requirement
    assert about
    assert state in WORDS
    named = PATH.findall(evidence)
    assert named or state != "holds"
    for path, test in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^ *def {test}\(", text, re.MULTILINE), f"no {test} in {path}"


def test_every_chapter_with_code_in_it_is_there():
    chapters = {int(row[0].split(".")[0]) for row in ROWS if row[0] != "beyond"}
    assert chapters == set(range(1, 15))


def test_the_page_about_security_names_files_that_exist():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert [path for path, _ in PATH.findall(text) if not (ROOT / path).exists()] == []

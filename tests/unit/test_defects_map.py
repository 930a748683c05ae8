"""docs/defects.md names a test for each defect: none of them may have been renamed or lost."""

import ast
import re
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.system.defects.breakages import BREAKAGES

TESTS = ROOT / "tests"
LIST = (ROOT / "docs" / "defects.md").read_text()
NAMED = re.findall(r"^- `([\w/]+\.py)::(\w+)`$", LIST, re.MULTILINE)
GRAVE = re.findall(r"^\*\*(D[\d, D]+) \((?:critical|high)\)\.", LIST, re.MULTILINE)


def sections_of(text: str) -> list[str]:
    return text.split("\n**D")[1:]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_that_guards_against_a_defect_exists(file, test):
    assert test in functions(TESTS / file)


def test_every_defect_has_a_guard():
    sections = sections_of(LIST)

    assert len(sections) >= 50
    assert [section for section in sections if "- `" not in section] == []


def test_five_of_the_grave_defects_can_be_put_back():
    assert len(GRAVE) >= 33
    assert len({breakage.defect for breakage in BREAKAGES} & set(GRAVE)) == 5


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: f"{each.defect}-{each.file}")
def test_what_is_broken_on_purpose_still_stands_there_once(breakage):
    assert (ROOT / breakage.file).read_text().count(breakage.old) == 1


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: f"{each.defect}-{each.file}")
def test_the_test_that_must_notice_is_a_guard_of_that_defect(breakage):
    (section,) = [each for each in sections_of(LIST) if each.startswith(breakage.defect[1:] + " (")]
    assert f"- `{breakage.test}`" in section

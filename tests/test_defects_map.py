"""docs/defects.md names a test for each defect: none of them may have been renamed or lost."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NAMED = re.findall(
    r"^- `([\w/]+\.py)::(\w+)`$", (TESTS.parent / "docs" / "defects.md").read_text(), re.MULTILINE
)


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_the_test_that_guards_against_a_defect_exists(file, test):
    assert test in functions(TESTS / file)


def test_every_defect_has_a_guard():
    sections = (TESTS.parent / "docs" / "defects.md").read_text().split("\n**D")[1:]

    assert len(sections) >= 50
    assert [section for section in sections if "- `" not in section] == []

import csv
from io import StringIO

import pytest

from core.tables import csv_lines, safe_cell


@pytest.mark.parametrize("text", ["=1+1", "+91", "-2", "@SUM(A1)", "\t=1", "  =HYPERLINK(1)", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "", 5, -5, None, "पूजा"])
def test_other_cells_stay(value):
    assert safe_cell(value) == value


def test_a_table_is_read_back_as_it_was_written():
    text = "".join(csv_lines([("code", "for"), ("TEN", 'two\nlines, "quoted"')]))

    assert text.startswith("\ufeff")  # Excel would read Hindi as Latin letters
    assert [*csv.reader(StringIO(text[1:]))] == [["code", "for"], ["TEN", 'two\nlines, "quoted"']]

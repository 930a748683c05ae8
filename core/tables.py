"""Tables for spreadsheets, as CSV."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

# A cell that begins with one of these is a formula to a spreadsheet, and runs when the file is opened.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
MARK = "\ufeff"  # without it Excel reads Hindi as Latin letters


def csv_lines(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Line by line, so that no table is held whole."""
    yield MARK
    for row in rows:
        line = StringIO()
        csv.writer(line).writerow([safe_cell(each) for each in row])
        yield line.getvalue()


def safe_cell(value: object) -> object:
    """Text that would be a formula gets an apostrophe, which a spreadsheet shows as text."""
    is_formula = isinstance(value, str) and value.lstrip().startswith(FORMULA_STARTS)
    return f"'{value}" if is_formula else value

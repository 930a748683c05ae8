"""A CSV export as dashboards and spreadsheets write it: its header, and one row after the other.

Commas, semicolons or tabs between the cells; byte order marks, empty lines, CRLF and Excel's "sep=" line are passed
over. Quotation marks are looked at line by line, so that one which nobody closes spoils its own row and no other.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

DELIMITERS = (",", ";", "\t")
MOST_LINES = 20  # of one row: text in quotation marks may have line ends in it
MARK = "\ufeff"

Row = tuple[int, list[str]]  # the number of its first line, and its cells without spaces around them


class NotATable(ValueError):
    """The file as a whole cannot be read; the sentence says why."""


@dataclass
class Table:
    """`rows` are read from the file while they are asked for. Raises NotATable while it is read."""

    header: list[str]
    rows: Iterator[Row]


def read_table(lines: Iterable[str]) -> Table:
    """An empty file has an empty header. Raises NotATable."""
    numbered = _without_noise(enumerate(lines, start=1))
    number, line = next(numbered, (1, ""))
    delimiter = max(DELIMITERS, key=lambda each: len(_cells(number, [line], each)))
    header = _cells(number, [line], delimiter)
    return Table(header, _rows(deque(), numbered, delimiter, header))


def _without_noise(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        line = line.replace(MARK, "")
        if line.strip() and not line.casefold().startswith("sep="):
            yield number, line


def _rows(
    ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], delimiter: str, header: list[str]
) -> Iterator[Row]:
    """Without empty rows, and without headers that several files put together have in the middle."""
    while ahead or _fill(ahead, lines, 1):
        count = _lines_of_row(ahead, lines, delimiter, len(header))
        taken = [ahead.popleft() for _ in range(count)]
        number = taken[0][0]
        cells = _cells(number, [line for _, line in taken], delimiter)
        if any(cells) and cells != header:
            yield number, cells


def _lines_of_row(
    ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], delimiter: str, width: int
) -> int:
    """How many lines the next row has: more than one if it is whole then, and no other row is swallowed by it."""
    count, marks = 1, ahead[0][1].count('"')
    while marks % 2 and count < MOST_LINES and _fill(ahead, lines, count + 1):
        marks += ahead[count][1].count('"')
        count += 1
    if count == 1 or marks % 2:
        return 1
    text = [line for _, line in islice(ahead, count)]
    if any(line.count(delimiter) >= width - 1 for line in text[1:]):
        return 1
    whole = list(csv.reader(text, delimiter=delimiter))
    return count if len(whole) == 1 and len(whole[0]) == width else 1


def _fill(ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], count: int) -> bool:
    """Whether so many lines are there."""
    ahead.extend(islice(lines, max(count - len(ahead), 0)))
    return len(ahead) >= count


def _cells(number: int, lines: list[str], delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(lines, delimiter=delimiter), [])]
    except csv.Error as error:
        raise NotATable(f"line {number} is not CSV: {error}") from error

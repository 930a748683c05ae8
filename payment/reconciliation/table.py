"""A CSV export as dashboards and spreadsheets write it: its header, and one row after the other.

Commas, semicolons or tabs between the cells; byte order marks, empty lines, CRLF and Excel's "sep=" line are skipped.
Quotation marks are read line by line, so that one without its end spoils its own row and no other.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

DELIMITERS = (",", ";", "\t")
MOST_LINES = 20  # of one row: text in quotation marks may have line ends in it
MARK = "\ufeff"

Row = tuple[int, list[str]]  # the number of its first line, and its cells without spaces around them


class NotATable(ValueError):
    """The file as a whole cannot be read; the sentence says why."""


class Table:
    """Reads the header at once, and the rows one by one. An empty file has an empty header. Raises NotATable."""

    def __init__(self, lines: Iterable[str]) -> None:
        without_marks = ((number, line.replace(MARK, "")) for number, line in enumerate(lines, start=1))
        self._lines = (
            (number, line)
            for number, line in without_marks
            if line.strip() and not line.casefold().startswith("sep=")
        )
        self._ahead = deque[tuple[int, str]]()  # lines that are read, and belong to no row yet
        number, line = next(self._lines, (1, ""))
        self._delimiter = max(DELIMITERS, key=lambda each: len(_split_cells(number, [line], each)))
        self.header = _split_cells(number, [line], self._delimiter)

    def rows(self) -> Iterator[Row]:
        """Without empty rows, and without the headers that several files put together have in the middle."""
        while self._ahead or self._read_ahead(1):
            lines = [self._ahead.popleft() for _ in range(self._count_lines_of_row())]
            number = lines[0][0]
            cells = _split_cells(number, [line for _, line in lines], self._delimiter)
            if any(cells) and cells != self.header:
                yield number, cells

    def _count_lines_of_row(self) -> int:
        """More than one if the next row is whole then, and contains no other row."""
        width = len(self.header)
        count, marks = 1, self._ahead[0][1].count('"')
        while marks % 2 and count < MOST_LINES and self._read_ahead(count + 1):
            marks += self._ahead[count][1].count('"')
            count += 1
        if count == 1 or marks % 2:
            return 1
        text = [line for _, line in islice(self._ahead, count)]
        if any(line.count(self._delimiter) >= width - 1 for line in text[1:]):
            return 1
        rows = list(csv.reader(text, delimiter=self._delimiter))
        return count if len(rows) == 1 and len(rows[0]) == width else 1

    def _read_ahead(self, count: int) -> bool:
        """Reads until so many lines are ahead; returns whether they are."""
        self._ahead.extend(islice(self._lines, max(count - len(self._ahead), 0)))
        return len(self._ahead) >= count


def _split_cells(number: int, lines: list[str], delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(lines, delimiter=delimiter), [])]
    except csv.Error as error:
        raise NotATable(f"line {number} is not CSV: {error}") from error

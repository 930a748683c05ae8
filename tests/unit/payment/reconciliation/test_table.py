"""A CSV file as dashboards and spreadsheets write it: one broken row never takes others with it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from payment.reconciliation.table import NotATable, Table

PLAIN = "name,amount,remark\nA,1,x\nB,2,y\n"
BOTH = [(2, ["A", "1", "x"]), (3, ["B", "2", "y"])]


def table(text):
    found = Table(text.splitlines(keepends=True))
    return found.header, list(found.rows())


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("A,", '"A",').replace(",x", ',"x"'),
        PLAIN.replace(",", " , "),
        "\ufeff" + PLAIN,
        PLAIN + "\n\n,,\n  \n",
        PLAIN + "name,amount,remark\n",
        PLAIN + "\ufeffname,amount,remark\n",
    ],
)
def test_the_same_table_is_read_however_it_is_written(text):
    assert table(text) == (["name", "amount", "remark"], BOTH)


@pytest.mark.parametrize("noise", ["\n", "\r\n \n", "sep=,\n"])
def test_lines_before_the_header_are_passed_over_and_counted(noise):
    header, rows = table(noise + PLAIN)
    lines = len(noise.splitlines())
    assert (header, rows) == (["name", "amount", "remark"], [(n + lines, cells) for n, cells in BOTH])


def test_text_in_quotation_marks_may_have_line_ends_delimiters_and_quotation_marks_in_it():
    _, rows = table('name,amount,remark\nA,1,"two\nlines, and ""more"""\nB,2,y\n')
    assert rows == [(2, ["A", "1", 'two\nlines, and "more"']), (4, ["B", "2", "y"])]


@pytest.mark.parametrize(
    "broken",
    [
        'A,1,"never closed',
        'A,"1,x',
        '"A,1,x',
        'A,1,5" long',
        "".join('A,1,"never closed\n' for _ in range(4)).strip(),
    ],
)
def test_a_quotation_mark_that_nobody_closes_spoils_its_own_row_only(broken):
    _, rows = table(f'name,amount,remark\n{broken}\nB,2,y\nC,3,"z"\n')
    first = 2 + len(broken.splitlines())
    assert rows[-2:] == [(first, ["B", "2", "y"]), (first + 1, ["C", "3", "z"])]
    assert len(rows) == first


def test_an_empty_file_has_an_empty_table():
    assert table("") == ([], [])


def test_a_cell_larger_than_any_is_no_table():
    with pytest.raises(NotATable, match="line 2 is not CSV"):
        table("name,amount\n" + "x" * 200_000 + "\n")


LINE_ENDS = ("\n", "\r\n")
TEXT = some.text(some.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff", exclude_categories=["Cs"]))
ROW = some.tuples(some.sampled_from(["PAYMENT", "REFUND"]), TEXT, TEXT, some.integers().map(str))
HEADER = ("kind", "remark", "more", "amount")


def written(rows, delimiter, end):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    return text.getvalue()


def lines_of(text):
    return io.StringIO(text, newline="").readlines()


@given(some.lists(ROW), some.sampled_from([",", ";", "\t"]), some.sampled_from(LINE_ENDS))
def test_whatever_was_written_is_read(rows, delimiter, end):
    table = Table(lines_of(written([HEADER, *rows], delimiter, end)))

    assert [cells for _, cells in table.rows()] == [[cell.strip() for cell in row] for row in rows]


@given(some.lists(ROW, min_size=1, max_size=8), some.data())
def test_however_rows_are_broken_the_others_are_read_with_their_lines(rows, data):
    """Broken as people and programs do it: a quotation mark too many, or a row that is cut."""
    lines = lines_of(written([HEADER, *rows], ",", "\n"))
    broken = data.draw(some.sets(some.integers(1, len(rows)), max_size=3))
    for number in broken:
        line = lines[number].rstrip("\n")
        place = data.draw(some.integers(0, len(line)))
        is_cut = data.draw(some.booleans())
        lines[number] = (line[:place] if is_cut else f'{line[:place]}"{line[place:]}') + "\n"

    found = dict(Table(lines).rows())
    for number, row in enumerate(rows, start=1):
        if number not in broken:
            assert found[number + 1] == [cell.strip() for cell in row]

"""A CSV file as dashboards and spreadsheets write it: one broken row never takes others with it."""

import pytest

from payment.reconciliation.table import NotATable, read_table

PLAIN = "name,amount,remark\nA,1,x\nB,2,y\n"
BOTH = [(2, ["A", "1", "x"]), (3, ["B", "2", "y"])]


def table(text):
    found = read_table(text.splitlines(keepends=True))
    return found.header, list(found.rows)


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

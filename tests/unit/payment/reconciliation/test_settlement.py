"""PhonePe's settlement file: read for certain or told as unreadable, whatever is in it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.money import grouped, rupees
from payment.reconciliation.settlement import NotASettlement, SettledMoney, read, read_file
from tests.unit.payment.wire import GOLDEN

COLUMNS = (
    *("PaymentType", "MerchantReferenceId", "PhonePeReferenceId", "From", "Instrument", "CreationDate"),
    *("TransactionDate", "SettlementDate", "BankReferenceNo", "Amount", "Fee", "IGST", "CGST", "SGST"),
)


def row(kind="PAYMENT", reference="OKP1", amount="1100.00", fee="-22.00", igst="-3.96", instrument="UPI"):
    dates = "2026-06-11,2026-06-11,2026-06-12"
    return f"{kind},{reference},T1,a@ybl,{instrument},{dates},616200000043,{amount},{fee},{igst},0,"


HEADER = ",".join(COLUMNS)


def file(*rows, header=HEADER):
    return [f"{line}\n" for line in (header, *rows)]


def why(*rows):
    return [reason for _, reason in read(file(*rows)).bad_rows]


def test_a_payment_brings_its_amount_and_what_phonepe_kept_of_it():
    settled = read(file(row())).payments["OKP1"]

    assert (settled.amount_paise, settled.fee_paise, settled.tax_paise) == (110_000, -2_200, -396)


def test_a_fee_is_phonepes_whichever_sign_it_has():
    assert read(file(row(fee="22.00"))).payments["OKP1"].fee_paise == -2_200


def test_a_refund_takes_its_amount_away_and_may_bring_a_fee_back():
    settled = read(file(row("REFUND", "R1-OKP1", "-300.00", fee="6.00"))).refunds["R1-OKP1"]

    assert (settled.amount_paise, settled.fee_paise) == (30_000, 600)


def test_the_parts_of_one_payment_add_up():
    both = read(file(row(amount="1000.00"), row(amount="100.00", instrument="WALLET", fee="0", igst="")))

    assert both.payments["OKP1"].amount_paise == 110_000
    assert both.bad_rows == []


def test_the_order_and_the_spelling_of_the_columns_are_no_concern_of_ours():
    header, line = "amount,Merchant Reference Id,PAYMENT_TYPE,unheard of", "1100.00,OKP1,payment,x"

    assert read(file(line, header=header)).payments["OKP1"].amount_paise == 110_000


def test_a_byte_order_mark_and_empty_lines_are_passed_over(tmp_path):
    path = tmp_path / "settlement.csv"
    path.write_text("".join(file("", row(), ",,,")), encoding="utf-8-sig")

    assert list(read_file(path).payments) == ["OKP1"]


def test_a_row_that_stands_there_twice_counts_once_and_is_no_fault():
    twice = read(file(row(), row(), row(instrument="WALLET", amount="100.00")))

    assert twice.payments["OKP1"].amount_paise == 120_000
    assert (twice.rows, twice.repeats, twice.bad_rows) == (3, 1, [])


REPEATED = {  # rows as (amount, how often it stands there), and how often each counts
    "a whole payment in two exports": ([("1100", 2)], [1]),
    "two equal halves": ([("550", 2)], [2]),
    "two equal halves in two exports": ([("550", 4)], [2]),
    "eleven equal parts in three exports": ([("100", 33)], [11]),
    "two parts in two exports": ([("1000", 2), ("100", 2)], [1, 1]),
    "two parts, one of them in two exports": ([("1000", 2), ("100", 1)], [1, 1]),
    "two equal parts and another": ([("500", 2), ("100", 1)], [2, 1]),
    "two equal parts and another in two exports": ([("500", 4), ("100", 2)], [2, 1]),
    "too many halves": ([("550", 3)], [1]),
    "too little, in two exports": ([("300", 2)], [1]),
    "too much, in two exports": ([("1200", 2)], [1]),
}


@pytest.mark.parametrize(("rows", "counted"), REPEATED.values(), ids=REPEATED.keys())
@pytest.mark.parametrize("kind", ["PAYMENT", "REFUND"])
def test_rows_that_repeat_each_other_count_as_often_as_makes_the_amount(rows, counted, kind):
    header = "PaymentType,MerchantReferenceId,Amount,Fee,IGST"
    lines = [f"{kind},OKP1,{amount},-1.00,-0.18" for amount, times in rows for _ in range(times)]
    told = read(file(*lines, header=header))

    settled = (told.payments if kind == "PAYMENT" else told.refunds)["OKP1"].adding_up_to(110_000)

    amounts = [int(amount) * 100 for amount, _ in rows]
    assert settled.amount_paise == sum(n * each for n, each in zip(counted, amounts, strict=True))
    assert (settled.fee_paise, settled.tax_paise) == (-100 * sum(counted), -18 * sum(counted))
    assert (told.rows, told.repeats) == (len(lines), len(lines) - len(rows))


@pytest.mark.parametrize(
    "amount",
    [
        *("1e3", "-1100.00", "0", "0.00", "", "NaN", "11.001", "१००", "--5", "+-5", "-₹-5", "9" * 30),
        *("1,10", "1.100,00", "1,1,00", "11,00.00", "$5", "5 USD", "0x10", "1_100", ".50", "5."),
    ],
)
def test_an_amount_that_is_not_plain_rupees_is_told_and_not_guessed(amount):
    cell = f'"{amount}"'
    bad = read(file(row(amount=cell), row(reference="OKP2")))

    assert list(bad.payments) == ["OKP2"]
    assert [line for line, _ in bad.bad_rows] == [2]


@pytest.mark.parametrize(
    ("amount", "paise"),
    [
        ("1100", 110_000),
        ("1100.5", 110_050),
        ("1,100.00", 110_000),
        ("1,49,900.00", 14_990_000),
        ("149,900", 14_990_000),
        ("₹1,100", 110_000),
        ("₹ 1100.05", 110_005),
        ("Rs. 1100", 110_000),
        ("INR 1100.00", 110_000),
        ("+1100", 110_000),
    ],
)
def test_an_amount_may_be_written_as_people_and_spreadsheets_in_india_write_it(amount, paise):
    assert read(file(row(amount=f'"{amount}"'))).payments["OKP1"].amount_paise == paise


@pytest.mark.parametrize("fee", ["-22", "-22.0", "-22.00", "-₹22.00", "₹-22", "\u221222.00"])
def test_a_fee_is_read_with_none_one_or_two_decimals(fee):
    assert read(file(row(fee=fee))).payments["OKP1"].fee_paise == -2_200


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (row(fee="1e1"), "fee is '1e1'"),
        (row(kind="ADJUSTMENT"), "PaymentType is 'ADJUSTMENT'"),
        (row(reference=""), "MerchantReferenceId is ''"),
        (row(reference="=cmd()"), "MerchantReferenceId is '=cmd()'"),
        (row(reference="1.23457E+17"), "a spreadsheet has rounded it"),
        (row(amount="1.1E+05"), "a spreadsheet has rounded it"),
        (row() + ",a name, with a comma", "more columns than the header"),
        (row("REFUND", amount="0"), "the amount of a refund is zero"),
        ("PAYMENT,OKP1", "has too few columns"),
    ],
)
def test_a_bad_row_says_what_is_wrong_with_it(broken, said):
    (reason,) = why(broken)
    assert said in reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "'paymenttype' is missing"),
        (b"PaymentType,Amount\n", "'merchantreferenceid' is missing"),
        (b"Amount,amount,PaymentType,MerchantReferenceId\n", "the same name: 'Amount', 'amount'"),
        (b"Fee,Amount,PaymentType,MerchantReferenceId,FEE\n", "the same name: 'Fee', 'FEE'"),
        (b"PK\x03\x04", "an Excel workbook or a ZIP file"),
        (b"Invoice No,Merchant Reference Id,Taxable Amount,IGST\n", "PhonePe's invoice"),
        (b"\xff\xfe\x00P", "not text in UTF-8"),
        (b'PaymentType,MerchantReferenceId,Amount\n"' + b"x" * 200_000, "is not CSV"),
    ],
)
def test_a_file_that_is_no_settlement_report_is_refused_as_a_whole(tmp_path, content, said):
    path = tmp_path / "settlement.csv"
    path.write_bytes(content)

    with pytest.raises(NotASettlement, match=said):
        read_file(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotASettlement, match="cannot be opened"):
        read_file(tmp_path / "nowhere.csv")


V2 = GOLDEN / "g26_v2_settlement_report.csv"


def v2(*changes):
    """The export of V2, some cells changed: (row, column, value)."""
    rows = list(csv.reader(V2.read_text(encoding="utf-8").splitlines()))
    for number, column, value in changes:
        rows[number][rows[0].index(column)] = value
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return read(text.getvalue().splitlines(keepends=True))


def test_the_export_of_v2_with_its_69_columns_is_read():
    settled = read_file(V2)

    assert settled.payments == {
        "OKPMADEUP0001": SettledMoney(110_000, -2_200, -396),
        "OKPMADEUP0002": SettledMoney(210_050, -4_201, -756),
    }
    assert settled.refunds == {"R1-OKPMADEUP0001": SettledMoney(30_000, 0, 0, order="OKPMADEUP0001")}
    assert (settled.bad_rows, settled.rows, settled.repeats) == ([], 4, 1)


@pytest.mark.parametrize("column", ["Udf1", "Net Amount", "Total Tax", "Transaction Status"])
def test_two_columns_of_one_name_that_are_not_needed_stop_nothing(column):
    assert v2((0, "Udf4", column.upper().replace(" ", "_"))).payments == read_file(V2).payments


@pytest.mark.parametrize(
    "column", ["Payment Type", "Merchant Reference ID", "Transaction Amount", "Fee", "IGST", "CGST", "SGST"]
)
def test_two_columns_of_one_name_that_is_needed_are_refused_and_named(column):
    with pytest.raises(NotASettlement, match=f"'{column}', '{column.casefold()}'"):
        v2((0, "Udf4", column.casefold()))


@pytest.mark.parametrize(
    ("number", "column", "value", "said"),
    [
        (1, "Net Amount", "1074.05", "Net Amount is 1074.05, amount, Fee and taxes make 1074.04"),
        (1, "Total Fees", "-25.95", "Total Fees is -25.95, Fee and taxes make -25.96"),
        (1, "Total Tax", "-3.95", "Total Tax is -3.95, IGST, CGST and SGST make -3.96"),
        (1, "Net Amount", "NA", "netamount is 'NA', not rupees"),
        (3, "Net Amount", "300.00", "Net Amount is 300.00, amount, Fee and taxes make -300.00"),
    ],
)
def test_a_row_whose_sums_are_not_those_of_its_parts_says_so(number, column, value, said):
    changed = v2((number, column, value), (4, "Udf1", "no exact repeat"))

    told = [
        wrong
        for each in (changed.payments, changed.refunds)
        for one in each.values()
        for wrong in one.contradictions
    ]
    assert len(told) == 1
    assert told[0].startswith(f"line {number + 1}: {said}")


def test_without_the_sums_beside_it_a_row_is_read_as_well():
    assert (
        v2(*((n, name, "") for n in (1, 4) for name in ("Total Tax", "Total Fees", "Net Amount"))).bad_rows
        == []
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "g27_v2_transactions_report",
            "PhonePe's report of transactions.* Expected is the settlement report",
        ),
        ("g28_v2_refunds_report", "PhonePe's report of refunds.* Expected is the settlement report"),
    ],
)
def test_another_report_that_looks_alike_is_refused_by_its_name(name, said):
    with pytest.raises(NotASettlement, match=said):
        read_file(GOLDEN / f"{name}.csv")


@pytest.mark.parametrize("name", ["g27_v2_transactions_report", "g28_v2_refunds_report"])
def test_another_report_without_any_row_is_refused_as_well(name):
    header = (GOLDEN / f"{name}.csv").read_text(encoding="utf-8").splitlines()[:1]
    with pytest.raises(NotASettlement, match="Expected is the settlement report"):
        read(header)


@pytest.mark.parametrize("status", ["FAILED", "ERRORED", "PENDING"])
def test_a_row_that_moved_no_money_shows_that_it_is_the_report_of_transactions(status):
    with pytest.raises(
        NotASettlement, match=f"line 3 says {status}: this is PhonePe's report of transactions"
    ):
        v2((2, "Transaction Status", status))


def test_an_order_that_one_export_tells_again_with_another_cell_is_two_parts():
    """Then its amount differs from ours, which is told, and its fee is not entered."""
    assert v2((4, "Settlement Date", "2026-06-13 09:30:00")).payments["OKPMADEUP0001"].amount_paise == 220_000


AMOUNTS = some.integers(1, 99_999_999)
WRITTEN = some.sampled_from(
    [rupees, grouped, lambda paise: f"₹{rupees(paise)}", lambda paise: rupees(paise).removesuffix("0")]
)
SPELLED = some.sampled_from(
    [str.upper, str.title, lambda name: name.replace(" ", ""), lambda name: name.replace(" ", "_")]
)
NEEDED = ("Payment Type", "Merchant Reference ID", "Transaction Amount", "Fee", "IGST", "Net Amount")
UNHEARD = ("Card AuthCode", "Card_Auth_Code", "Store Id", "STORE_ID", "x")


@given(
    some.dictionaries(
        some.from_regex(r"OKP[0-9A-F]{4}", fullmatch=True), some.tuples(AMOUNTS, AMOUNTS, AMOUNTS)
    ),
    some.permutations([*NEEDED, *UNHEARD]),
    some.data(),
)
def test_whatever_order_and_spelling_a_file_has_not_a_paisa_is_lost_or_invented(orders, columns, data):
    needed = {name: data.draw(SPELLED)(name) for name in NEEDED}
    rows = []
    for reference, (amount, fee, tax) in orders.items():
        of_payment = dict(
            zip(NEEDED, ("PAYMENT", reference, amount, -fee, -tax, amount - fee - tax), strict=True)
        )
        cells = (of_payment.get(name, "y") for name in columns)
        rows.append([data.draw(WRITTEN)(cell) if isinstance(cell, int) else cell for cell in cells])
    again = data.draw(some.lists(some.sampled_from(rows))) if rows else []
    text = io.StringIO()
    csv.writer(text).writerows([[needed.get(name, name) for name in columns], *rows, *again])
    settled = read(text.getvalue().splitlines(keepends=True))

    assert settled.bad_rows == []
    assert settled.payments == {
        reference: SettledMoney(amount, -fee, -tax) for reference, (amount, fee, tax) in orders.items()
    }
    assert settled.repeats == len(again)

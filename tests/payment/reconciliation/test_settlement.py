"""PhonePe's settlement file: read for certain or told as unreadable, whatever is in it."""

import pytest

from payment.reconciliation.settlement import NotASettlement, read, read_file

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
    return [reason for _, reason in read(file(*rows)).bad]


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
    assert both.bad == []


def test_the_order_and_the_spelling_of_the_columns_are_no_concern_of_ours():
    header, line = "amount,Merchant Reference Id,PAYMENT_TYPE,unheard of", "1100.00,OKP1,payment,x"

    assert read(file(line, header=header)).payments["OKP1"].amount_paise == 110_000


def test_a_byte_order_mark_and_empty_lines_are_passed_over(tmp_path):
    path = tmp_path / "settlement.csv"
    path.write_text("".join(file("", row(), ",,,")), encoding="utf-8-sig")

    assert list(read_file(path).payments) == ["OKP1"]


def test_a_row_that_stands_there_twice_counts_once_and_is_told():
    twice = read(file(row(), row()))

    assert twice.payments["OKP1"].amount_paise == 110_000
    assert twice.bad == [(3, "repeats line 2")]


@pytest.mark.parametrize(
    "amount",
    ["1e3", "-1100.00", "0", "0.00", "1,100.00", "", "NaN", "₹1100", "11.001", "१००", "--5", "9" * 30],
)
def test_an_amount_that_is_not_plain_rupees_is_told_and_not_guessed(amount):
    cell = f'"{amount}"'
    bad = read(file(row(amount=cell), row(reference="OKP2")))

    assert list(bad.payments) == ["OKP2"]
    assert [line for line, _ in bad.bad] == [2]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (row(fee="1e1"), "fee is '1e1'"),
        (row(kind="ADJUSTMENT"), "PaymentType is 'ADJUSTMENT'"),
        (row(reference=""), "MerchantReferenceId is ''"),
        (row(reference="=cmd()"), "MerchantReferenceId is '=cmd()'"),
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
        (b"Amount,amount,PaymentType,MerchantReferenceId\n", "the same name"),
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

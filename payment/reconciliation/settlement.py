"""PhonePe's settlement report, read from the CSV file that its dashboard hands out.

Two shapes are known. The one of PhonePe's page about settlements: PaymentType (PAYMENT, REFUND), MerchantReferenceId,
Amount, Fee, IGST, CGST, SGST beside others. And the export of V2 with 69 columns: Payment Type, Merchant Reference ID,
Original Merchant Order ID (of a refund), Transaction Amount, Fee, IGST, CGST, SGST, and the sums Total Tax, Total Fees
and Net Amount. Amounts are rupees with at most two decimals; fees, taxes and a refund's amount are negative there. The
order of the columns, their case and what separates their words are no concern of ours; other columns are ignored.

A row that cannot be read for certain is reported, never guessed and never left out.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.money import paise, rupees
from payment.phonepe.schemas import identifier
from payment.reconciliation.spool import Part, SettledMoney, Spool
from payment.reconciliation.table import NotATable, Table

PAYMENT, REFUND = "PAYMENT", "REFUND"
NAMES = {
    "kind": ("paymenttype", "transactiontype"),
    "reference": ("merchantreferenceid", "merchantorderid", "merchanttransactionid"),
    "amount": ("transactionamount", "amount"),
}
FEES, TAXES = ("fee",), ("igst", "cgst", "sgst")
# Only compared with the other columns. Two columns of such a name are ignored, and stop nothing.
ORDER_OF_REFUND, STATUS, TAX_SUM, FEE_SUM, NET = (
    *("originalmerchantorderid", "transactionstatus"),
    *("totaltax", "totalfees", "netamount"),
)
SUMS = {TAX_SUM: "Total Tax", FEE_SUM: "Total Fees", NET: "Net Amount"}
ONLY_IN_SETTLEMENTS = {*FEES, *TAXES, FEE_SUM, NET, "settlementutr", "settlementdate", "bankreferenceno"}
MOVED_NOTHING = {
    *("FAILED", "FAILURE", "ERRORED", "ERROR", "DECLINED", "CANCELLED", "EXPIRED", "PENDING"),
}
EXPECTED = "Expected is the settlement report, with the columns Payment Type, Merchant Reference ID and Fee"
OTHER_REPORTS = {
    "transactions": f"this is PhonePe's report of transactions, which has no fees. {EXPECTED}",
    "refunds": f"this is PhonePe's report of refunds, which has no payments and no fees. {EXPECTED}",
    "invoice": f"this is PhonePe's invoice for its fees, which names no order. {EXPECTED}",
}
ROUNDED_BY_SPREADSHEET = "a spreadsheet has rounded it; hand in the file as PhonePe's dashboard gave it"
MOST_ROWS = 5_000_000
MOST_BAD_ROWS = 10_000
MOST_QUOTED = 80  # characters of a bad value

ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+", re.ASCII | re.IGNORECASE)
SIGNED = re.compile(r"([+-]?)\s*+(?:₹|Rs\.?|INR)?\s*+([+-]?)\s*+(.+)", re.IGNORECASE)
GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]{1,2})?", re.ASCII)


class NotASettlement(ValueError):
    """The file as a whole is not PhonePe's settlement report; the sentence says why."""


class BadRow(ValueError):
    """Why one row cannot be read."""


@dataclass
class Settlement:
    """By our reference: the order's id of a payment, the refund's id of a refund. `bad_rows`: (line, reason).

    `in_part`: references of which some row cannot be read, so that their sums say nothing. `repeats`: rows that
    repeat another one word for word.
    """

    spool: Spool = field(default_factory=Spool, compare=False)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    in_part: set[str] = field(default_factory=set)
    rows: int = 0
    repeats: int = 0

    @property
    def payments(self) -> Mapping[str, SettledMoney]:
        return self.spool.of(PAYMENT)

    @property
    def refunds(self) -> Mapping[str, SettledMoney]:
        return self.spool.of(REFUND)

    def add_row(self, row: "SettlementRow", width: int, digest: bytes) -> None:
        """`width`: the number of columns in the header. Raises BadRow; NotASettlement for a row of another report."""
        if len(row.cells) <= max(row.columns.values()):
            raise BadRow("has too few columns")
        if any(row.cells[width:]):
            raise BadRow("has more columns than the header: a comma in a text without quotation marks?")
        kind, reference, status = (
            row.text("kind").upper(),
            row.reference("reference"),
            row.text(STATUS).upper(),
        )
        if kind == "FORWARD_TRANSACTION" or status in MOVED_NOTHING:
            raise NotASettlement(f"line {row.line} says {status or kind}: {OTHER_REPORTS['transactions']}")
        if kind not in (PAYMENT, REFUND):
            raise BadRow(f"PaymentType is {_quote(kind)}, neither PAYMENT nor REFUND")
        if ROUNDED.fullmatch(reference):
            raise BadRow(f"MerchantReferenceId is {_quote(reference)}: {ROUNDED_BY_SPREADSHEET}")
        if not identifier(reference):
            raise BadRow(f"MerchantReferenceId is {_quote(reference)}, which is no reference")
        try:
            amount = row.paise("amount")
            if kind == PAYMENT and amount <= 0:
                raise BadRow(f"the amount of a payment is {_quote(row.text('amount'))}")
            if not amount:
                raise BadRow("the amount of a refund is zero")
            part = Part(abs(amount), row.sum_paise(FEES), row.sum_paise(TAXES))
        except BadRow:
            self.in_part.add(reference)
            raise
        order = ""
        if kind == PAYMENT:
            # PhonePe keeps the fee of a payment, whichever sign the file has. A refund may bring a fee back.
            part.fee_paise, part.tax_paise = -abs(part.fee_paise), -abs(part.tax_paise)
        else:
            order = identifier(row.reference(ORDER_OF_REFUND))
        sums = row.wrong_sums(part, is_payment=kind == PAYMENT)
        contradictions = [f"line {row.line}: {wrong}" for wrong in sums]
        self.spool.add(digest, kind, reference, part, order, contradictions)


def read_file(path: Path) -> Settlement:
    """Raises NotASettlement, also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                raise NotASettlement(
                    f"{path} is an Excel workbook or a ZIP file: hand in the CSV file itself"
                )
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read(file)
    except OSError as error:
        raise NotASettlement(f"{path} cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NotASettlement(f"{path} is not text in UTF-8") from error


def read(lines: Iterable[str]) -> Settlement:
    """Raises NotASettlement."""
    settlement = Settlement()
    try:
        table = Table(lines)
        columns = _find_columns(table.header)
        for line, cells in table.rows():
            settlement.rows += 1
            if settlement.rows > MOST_ROWS:
                raise NotASettlement(f"more than {MOST_ROWS} rows: split the file by days")
            digest = hashlib.sha256("\x1f".join(cells).encode()).digest()
            if settlement.spool.repeats(digest):
                settlement.repeats += 1
                continue
            try:
                settlement.add_row(SettlementRow(line, cells, columns), len(table.header), digest)
            except BadRow as bad:
                settlement.spool.add_unreadable(digest)
                settlement.bad_rows.append((line, str(bad)))
                if len(settlement.bad_rows) > MOST_BAD_ROWS:
                    raise NotASettlement(f"more than {MOST_BAD_ROWS} rows cannot be read: {bad}") from bad
    except NotATable as error:
        raise NotASettlement(str(error)) from error
    return settlement


def _find_columns(header: list[str]) -> dict[str, int]:
    """The position of each column that is read. Raises NotASettlement."""
    positions = defaultdict[str, list[int]](list)
    for position, name in enumerate(header):
        # Merchant Reference Id, merchant_reference_id and MerchantReferenceId are one name.
        positions["".join(filter(str.isalnum, name.casefold()))].append(position)
    # PhonePe's other reports look alike: only a few names show what a file is about.
    names = set(positions)
    is_settlement = bool(names & ONLY_IN_SETTLEMENTS) and bool(names & {*NAMES["kind"]})
    if "totalrefundamount" in names:
        raise NotASettlement(OTHER_REPORTS["refunds"])
    if {"invoiceno", "taxableamount"} <= names:
        raise NotASettlement(OTHER_REPORTS["invoice"])
    if names & {"totaltransactionamount", STATUS} and not is_settlement:
        raise NotASettlement(OTHER_REPORTS["transactions"])
    columns = {name: positions[name] for name in (*FEES, *TAXES) if name in names}
    for needed, spellings in NAMES.items():
        spelling = next((name for name in spellings if name in names), None)
        if spelling is None:
            missing = f"the column {spellings[0]!r} is missing: this is not PhonePe's settlement report"
            raise NotASettlement(missing)
        columns[needed] = positions[spelling]
    for found in columns.values():
        if len(found) > 1:
            same = ", ".join(_quote(header[position]) for position in found)
            raise NotASettlement(f"columns that are needed have the same name: {same}")
    optional = (name for name in (ORDER_OF_REFUND, STATUS, *SUMS) if len(positions[name]) == 1)
    columns |= {name: positions[name] for name in optional}
    return {name: position for name, (position,) in columns.items()}


@dataclass(frozen=True)
class SettlementRow:
    """The cells of one row, by the names of `_find_columns`."""

    line: int
    cells: list[str]
    columns: dict[str, int]

    def text(self, name: str) -> str:
        """ "" where the file has no such column."""
        return self.cells[self.columns[name]] if name in self.columns else ""

    def reference(self, name: str) -> str:
        """Spreadsheets write an apostrophe before text that looks like a number."""
        return self.text(name).removeprefix("'")

    def paise(self, name: str) -> int:
        """ "-₹1,100.5" is -110050. Raises BadRow for what is rounded, or no amount at all."""
        text = self.text(name)
        plain = text.replace("\u2212", "-")
        match = SIGNED.fullmatch(plain)
        before, after, digits = (match[1], match[2], match[3]) if match else ("", "", plain)
        if ROUNDED.fullmatch(digits):
            raise BadRow(f"{name} is {_quote(text)}: {ROUNDED_BY_SPREADSHEET}")
        if GROUPED.fullmatch(digits):
            digits = digits.replace(",", "")
        try:
            if before and after:
                raise ValueError
            return (-1 if "-" in before + after else 1) * paise(digits)
        except ValueError as error:
            raise BadRow(f"{name} is {_quote(text)}, not rupees with two decimals") from error

    def sum_paise(self, names: tuple[str, ...]) -> int:
        """Empty cells count as nothing. Raises BadRow."""
        return sum(self.paise(name) for name in names if self.text(name))

    def wrong_sums(self, part: Part, *, is_payment: bool) -> list[str]:
        """Sums of the file that are not those of its cells."""
        fee, tax = part.fee_paise, part.tax_paise
        net = (part.amount_paise if is_payment else -part.amount_paise) + fee + tax
        wrong = []
        for name, parts, ours in (
            (TAX_SUM, "IGST, CGST and SGST", tax),
            (FEE_SUM, "Fee and taxes", fee + tax),
            (NET, "amount, Fee and taxes", net),
        ):
            if not self.text(name):
                continue
            try:
                theirs = self.paise(name)
            except BadRow as bad:
                wrong.append(str(bad))
                continue
            if (-abs(theirs) if is_payment and name != NET else theirs) != ours:
                wrong.append(f"{SUMS[name]} is {rupees(theirs)}, {parts} make {rupees(ours)}")
        return wrong


def _quote(text: str) -> str:
    return repr(text[:MOST_QUOTED])

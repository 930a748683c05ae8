"""PhonePe's settlement report, read from the CSV file that its dashboard hands out.

Two shapes are known. The one of PhonePe's page about settlements: PaymentType (PAYMENT, REFUND), MerchantReferenceId,
Amount, Fee, IGST, CGST, SGST beside others. And the export of V2 with 69 columns: Payment Type, Merchant Reference ID,
Original Merchant Order ID (of a refund), Transaction Amount, Fee, IGST, CGST, SGST, and the sums Total Tax, Total Fees
and Net Amount. Amounts are rupees with at most two decimals; fees, taxes and a refund's amount are negative there. The
order of the columns, their case and what separates their words are no concern of ours; other columns are ignored.

A row that cannot be read for certain is told, never guessed at and never left out in silence.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import gcd
from pathlib import Path

from core.money import paise, rupees
from payment.phonepe.schemas import identifier
from payment.reconciliation.table import NotATable, Row, read_table

PAYMENT, REFUND = "PAYMENT", "REFUND"
NAMES = {
    "kind": ("paymenttype", "transactiontype"),
    "reference": ("merchantreferenceid", "merchantorderid", "merchanttransactionid"),
    "amount": ("transactionamount", "amount"),
}
FEES, TAXES = ("fee",), ("igst", "cgst", "sgst")
# Told beside the others, and only compared with them. Two columns of such a name say nothing, and stop nothing.
ORDER_OF_REFUND, STATUS, TAX_SUM, FEE_SUM, NET = (
    *("originalmerchantorderid", "transactionstatus"),
    *("totaltax", "totalfees", "netamount"),
)
SUMS = {TAX_SUM: "Total Tax", FEE_SUM: "Total Fees", NET: "Net Amount"}
OF_SETTLEMENTS = {*FEES, *TAXES, FEE_SUM, NET, "settlementutr", "settlementdate", "bankreferenceno"}
MOVED_NOTHING = {
    *("FAILED", "FAILURE", "ERRORED", "ERROR", "DECLINED", "CANCELLED", "EXPIRED", "PENDING"),
}
WANTED = "Wanted is the settlement report, with the columns Payment Type, Merchant Reference ID and Fee"
OTHER_REPORTS = {
    "transactions": f"this is PhonePe's report of transactions, which tells no fee. {WANTED}",
    "refunds": f"this is PhonePe's report of refunds, which tells no payment and no fee. {WANTED}",
    "invoice": f"this is PhonePe's invoice for its fees, which names no order. {WANTED}",
}
BY_EXCEL = "a spreadsheet has rounded it; hand in the file as PhonePe's dashboard gave it"
MOST_ROWS = 200_000
MOST_SHOWN = 80  # characters of a bad value

ROUNDED = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+?[0-9]+", re.ASCII | re.IGNORECASE)
SIGNED = re.compile(r"([+-]?)\s*(?:₹|Rs\.?|INR)?\s*([+-]?)\s*(.+)", re.IGNORECASE)
GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]{1,2})?", re.ASCII)


class NotASettlement(ValueError):
    """The file as a whole is not PhonePe's settlement report; the sentence says why."""


class BadRow(ValueError):
    """Why one row cannot be read."""


@dataclass
class Part:
    """One row in paise, and how often it stands in the file, word for word."""

    amount_paise: int
    fee_paise: int
    tax_paise: int
    times: int = 1


@dataclass
class Settled:
    """What the file says of one payment or refund, in paise: one customer's money may come by several instruments.

    Each row counts once here, however often it stands there: see `adding_up_to`. A refund's amount is positive, as it
    is in our rows. Fees and taxes are negative when PhonePe kept them. `order`: of a refund, where the file tells it.
    `contradictions`: where its rows do not agree with themselves.
    """

    amount_paise: int = 0
    fee_paise: int = 0
    tax_paise: int = 0
    order: str = ""
    contradictions: list[str] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list, compare=False)

    def add(self, part: Part, order: str, contradictions: list[str]) -> None:
        self.amount_paise += part.amount_paise
        self.fee_paise += part.fee_paise
        self.tax_paise += part.tax_paise
        self.order = self.order or order
        self.contradictions += contradictions
        self.parts.append(part)

    def adding_up_to(self, paise: int) -> "Settled":
        """With rows that repeat each other counted as often as makes this amount; each once if nothing makes it.

        They are one row of exports that overlap, or equal parts of one payment; of those, too, a file may hold several
        exports. The fewer exports, the higher the sum: at most one reading makes the amount.
        """
        if self.amount_paise == paise:
            return self
        most = gcd(*(part.times for part in self.parts))
        for exports in (number for number in range(1, most + 1) if most % number == 0):
            counted = [(part.times // exports, part) for part in self.parts]
            if sum(times * part.amount_paise for times, part in counted) == paise:
                fee = sum(times * part.fee_paise for times, part in counted)
                tax = sum(times * part.tax_paise for times, part in counted)
                return replace(self, amount_paise=paise, fee_paise=fee, tax_paise=tax)
        return self


@dataclass
class Settlement:
    """By our reference: the order's id of a payment, the refund's id of a refund. `bad`: (line, why).

    `in_part`: references of which some row cannot be read, so that their sums say nothing. `repeats`: rows that
    repeat another one word for word.
    """

    payments: dict[str, Settled] = field(default_factory=dict)
    refunds: dict[str, Settled] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)
    in_part: set[str] = field(default_factory=set)
    rows: int = 0
    repeats: int = 0


Columns = dict[str, int]


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
    try:
        table = read_table(lines)
        return _settlement(table.rows, _columns(table.header), len(table.header))
    except NotATable as error:
        raise NotASettlement(str(error)) from error


def _columns(header: list[str]) -> Columns:
    """Where each name stands that we read. Raises NotASettlement."""
    places = defaultdict[str, list[int]](list)
    for place, name in enumerate(header):
        places[_plain(name)].append(place)
    _refuse_other_reports(set(places))
    columns = {name: places[name] for name in (*FEES, *TAXES) if name in places}
    for wanted, known in NAMES.items():
        found = next((name for name in known if name in places), None)
        if found is None:
            missing = f"the column {known[0]!r} is missing: this is not PhonePe's settlement report"
            raise NotASettlement(missing)
        columns[wanted] = places[found]
    for which in columns.values():
        if len(which) > 1:
            names = ", ".join(_shown(header[place]) for place in which)
            raise NotASettlement(f"columns that are needed have the same name: {names}")
    beside = (name for name in (ORDER_OF_REFUND, STATUS, *SUMS) if len(places[name]) == 1)
    columns |= {name: places[name] for name in beside}
    return {name: place for name, (place,) in columns.items()}


def _refuse_other_reports(names: set[str]) -> None:
    """They look alike: what they are about shows in a few names only. Raises NotASettlement."""
    is_settlement = bool(names & OF_SETTLEMENTS) and bool(names & {*NAMES["kind"]})
    if "totalrefundamount" in names:
        raise NotASettlement(OTHER_REPORTS["refunds"])
    if {"invoiceno", "taxableamount"} <= names:
        raise NotASettlement(OTHER_REPORTS["invoice"])
    if names & {"totaltransactionamount", STATUS} and not is_settlement:
        raise NotASettlement(OTHER_REPORTS["transactions"])


def _plain(name: str) -> str:
    """Merchant Reference Id, merchant_reference_id and MerchantReferenceId are one name."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _settlement(rows: Iterable[Row], columns: Columns, width: int) -> Settlement:
    found, seen = Settlement(), dict[bytes, Part | None]()
    for line, row in rows:
        found.rows += 1
        if found.rows > MOST_ROWS:
            raise NotASettlement(f"more than {MOST_ROWS} rows: split the file by days")
        # The rows themselves would fill the memory.
        digest = hashlib.sha256("\x1f".join(row).encode()).digest()
        if digest in seen:
            found.repeats += 1
            if (part := seen[digest]) is not None:
                part.times += 1
            continue
        seen[digest] = None  # as long as it cannot be read
        try:
            seen[digest] = _add(found, row, columns, width, line)
        except BadRow as bad:
            found.bad.append((line, str(bad)))
    return found


def _add(found: Settlement, row: list[str], columns: Columns, width: int, line: int) -> Part:
    if len(row) <= max(columns.values()):
        raise BadRow("has too few columns")
    if any(row[width:]):
        raise BadRow("has more columns than the header: a comma in a text without quotation marks?")
    kind, reference = row[columns["kind"]].upper(), row[columns["reference"]].removeprefix("'")
    status = row[columns[STATUS]].upper() if STATUS in columns else ""
    if kind == "FORWARD_TRANSACTION" or status in MOVED_NOTHING:
        raise NotASettlement(f"line {line} says {status or kind}: {OTHER_REPORTS['transactions']}")
    if kind not in (PAYMENT, REFUND):
        raise BadRow(f"PaymentType is {_shown(kind)}, neither PAYMENT nor REFUND")
    if ROUNDED.fullmatch(reference):
        raise BadRow(f"MerchantReferenceId is {_shown(reference)}: {BY_EXCEL}")
    if not identifier(reference):
        raise BadRow(f"MerchantReferenceId is {_shown(reference)}, which is no reference")
    of_kind = found.payments if kind == PAYMENT else found.refunds
    try:
        part = _payment(row, columns) if kind == PAYMENT else _refund(row, columns)
    except BadRow:
        found.in_part.add(reference)
        raise
    sums = _wrong_sums(row, columns, part, is_payment=kind == PAYMENT)
    contradictions = [f"line {line}: {wrong}" for wrong in sums]
    order = _order_of_refund(row, columns) if kind == REFUND else ""
    of_kind.setdefault(reference, Settled()).add(part, order, contradictions)
    return part


def _payment(row: list[str], columns: Columns) -> Part:
    """A payment is never negative. Its fee is PhonePe's, whichever sign the file gives it."""
    amount = _paise(row, columns, "amount")
    if amount <= 0:
        raise BadRow(f"the amount of a payment is {_shown(row[columns['amount']])}")
    return Part(amount, -abs(_sum(row, columns, FEES)), -abs(_sum(row, columns, TAXES)))


def _refund(row: list[str], columns: Columns) -> Part:
    """A refund takes from what is settled; a fee that it brings back is positive."""
    amount = abs(_paise(row, columns, "amount"))
    if not amount:
        raise BadRow("the amount of a refund is zero")
    return Part(amount, _sum(row, columns, FEES), _sum(row, columns, TAXES))


def _order_of_refund(row: list[str], columns: Columns) -> str:
    order = row[columns[ORDER_OF_REFUND]] if ORDER_OF_REFUND in columns else ""
    return identifier(order.removeprefix("'"))


def _wrong_sums(row: list[str], columns: Columns, part: Part, *, is_payment: bool) -> list[str]:
    """Sums of the file that are not those of its cells."""
    fee, tax = part.fee_paise, part.tax_paise
    net = (part.amount_paise if is_payment else -part.amount_paise) + fee + tax
    wrong = []
    for name, parts, ours in (
        (TAX_SUM, "IGST, CGST and SGST", tax),
        (FEE_SUM, "Fee and taxes", fee + tax),
        (NET, "amount, Fee and taxes", net),
    ):
        text = row[columns[name]] if name in columns else ""
        if not text:
            continue
        try:
            theirs = _paise(row, columns, name)
        except BadRow as bad:
            wrong.append(str(bad))
            continue
        if (-abs(theirs) if is_payment and name != NET else theirs) != ours:
            wrong.append(f"{SUMS[name]} is {rupees(theirs)}, {parts} make {rupees(ours)}")
    return wrong


def _sum(row: list[str], columns: Columns, names: tuple[str, ...]) -> int:
    return sum(_paise(row, columns, name) for name in names if name in columns and row[columns[name]])


def _paise(row: list[str], columns: Columns, name: str) -> int:
    """ "-₹1,100.5" is -110050. Raises BadRow for what is rounded, or no amount at all."""
    text = row[columns[name]]
    before, after, digits = _parts(text.replace("\u2212", "-"))
    if ROUNDED.fullmatch(digits):
        raise BadRow(f"{name} is {_shown(text)}: {BY_EXCEL}")
    if GROUPED.fullmatch(digits):
        digits = digits.replace(",", "")
    try:
        if before and after:
            raise ValueError
        return (-1 if "-" in before + after else 1) * paise(digits)
    except ValueError as error:
        raise BadRow(f"{name} is {_shown(text)}, not rupees with two decimals") from error


def _parts(text: str) -> tuple[str, str, str]:
    """The sign before the currency and after it, and the digits."""
    found = SIGNED.fullmatch(text)
    return (found[1], found[2], found[3]) if found else ("", "", text)


def _shown(text: str) -> str:
    return repr(text[:MOST_SHOWN])

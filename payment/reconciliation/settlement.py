"""PhonePe's settlement report, read from the CSV file that its dashboard hands out.

Columns by PhonePe's page about settlements: PaymentType (PAYMENT, REFUND), MerchantReferenceId, PhonePeReferenceId,
From, Instrument, CreationDate, TransactionDate, SettlementDate, BankReferenceNo, Amount, Fee, IGST, CGST, SGST. Amounts
are rupees with two decimals; fees and taxes are negative: what is settled is the sum of the last five. Their order,
their case and what separates their words are no concern of ours; further columns are ignored.

A row that cannot be read for certain is told, never guessed at and never left out in silence.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from booking.money import paise
from payment.messages import identifier

PAYMENT, REFUND = "PAYMENT", "REFUND"
NAMES = {
    "kind": ("paymenttype", "transactiontype"),
    "reference": ("merchantreferenceid", "merchantorderid", "merchanttransactionid"),
    "amount": ("amount", "transactionamount"),
}
FEES, TAXES = ("fee",), ("igst", "cgst", "sgst")
MOST_ROWS = 200_000
MOST_SHOWN = 80  # characters of a bad value


class NotASettlement(ValueError):
    """The file as a whole is not PhonePe's settlement report; the sentence says why."""


class BadRow(ValueError):
    """Why one row cannot be read."""


@dataclass
class Settled:
    """What the file says of one payment or refund, in paise: one customer's money may come by several instruments.

    A refund's amount is positive, as it is in our rows. Fees and taxes are negative when PhonePe kept them.
    """

    amount_paise: int = 0
    fee_paise: int = 0
    tax_paise: int = 0

    def add(self, other: "Settled") -> None:
        self.amount_paise += other.amount_paise
        self.fee_paise += other.fee_paise
        self.tax_paise += other.tax_paise


@dataclass
class Settlement:
    """By our reference: the order's id of a payment, the refund's id of a refund. `bad`: (line, why).

    `in_part`: references of which some row cannot be read, so that their sums say nothing.
    """

    payments: dict[str, Settled] = field(default_factory=dict)
    refunds: dict[str, Settled] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)
    in_part: set[str] = field(default_factory=set)
    rows: int = 0


Columns = dict[str, int]


def read_file(path: Path) -> Settlement:
    """Raises NotASettlement, also for a file that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read(file)
    except OSError as error:
        raise NotASettlement(f"{path} cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NotASettlement(f"{path} is not text in UTF-8") from error


def read(lines: Iterable[str]) -> Settlement:
    """Raises NotASettlement."""
    reader = csv.reader(lines)
    try:
        columns = _columns(next(reader, []))
        return _settlement(_numbered(reader), columns)
    except csv.Error as error:
        raise NotASettlement(f"line {reader.line_num} is not CSV: {error}") from error


def _columns(header: list[str]) -> Columns:
    places = {_plain(name): place for place, name in enumerate(header)}
    if len(places) < len(header):
        raise NotASettlement("two columns have the same name")
    columns = {name: places[name] for name in (*FEES, *TAXES) if name in places}
    for name, known in NAMES.items():
        found = [places[word] for word in known if word in places]
        if not found:
            raise NotASettlement(
                f"the column {known[0]!r} is missing: this is not PhonePe's settlement report"
            )
        columns[name] = found[0]
    return columns


def _plain(name: str) -> str:
    """Merchant Reference Id, merchant_reference_id and MerchantReferenceId are one name."""
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, row  # type: ignore[attr-defined]


def _settlement(rows: Iterable[tuple[int, list[str]]], columns: Columns) -> Settlement:
    found, first_lines = Settlement(), dict[bytes, int]()
    for line, row in rows:
        found.rows += 1
        if found.rows > MOST_ROWS:
            raise NotASettlement(f"more than {MOST_ROWS} rows: split the file by days")
        try:
            _refuse_repeated(row, line, first_lines)
            _add(found, row, columns)
        except BadRow as bad:
            found.bad.append((line, str(bad)))
    return found


def _refuse_repeated(row: list[str], line: int, first_lines: dict[bytes, int]) -> None:
    """Two parts of one payment differ at least in their instrument."""
    digest = hashlib.sha256("\x1f".join(row).encode()).digest()  # the rows themselves would fill the memory
    if (first := first_lines.setdefault(digest, line)) != line:
        raise BadRow(f"repeats line {first}")


def _add(found: Settlement, row: list[str], columns: Columns) -> None:
    if len(row) <= max(columns.values()):
        raise BadRow("has too few columns")
    kind, reference = row[columns["kind"]].strip().upper(), row[columns["reference"]].strip()
    if kind not in (PAYMENT, REFUND):
        raise BadRow(f"PaymentType is {_shown(kind)}, neither PAYMENT nor REFUND")
    if not identifier(reference):
        raise BadRow(f"MerchantReferenceId is {_shown(reference)}, which is no reference")
    of_kind = found.payments if kind == PAYMENT else found.refunds
    try:
        settled = _payment(row, columns) if kind == PAYMENT else _refund(row, columns)
    except BadRow:
        found.in_part.add(reference)
        raise
    of_kind.setdefault(reference, Settled()).add(settled)


def _payment(row: list[str], columns: Columns) -> Settled:
    """A payment is never negative. Its fee is PhonePe's, whichever sign the file gives it."""
    amount = _paise(row, columns, "amount")
    if amount <= 0:
        raise BadRow(f"the amount of a payment is {_shown(row[columns['amount']])}")
    return Settled(amount, -abs(_sum(row, columns, FEES)), -abs(_sum(row, columns, TAXES)))


def _refund(row: list[str], columns: Columns) -> Settled:
    """A refund takes from what is settled; a fee that it brings back is positive."""
    amount = abs(_paise(row, columns, "amount"))
    if not amount:
        raise BadRow("the amount of a refund is zero")
    return Settled(amount, _sum(row, columns, FEES), _sum(row, columns, TAXES))


def _sum(row: list[str], columns: Columns, names: tuple[str, ...]) -> int:
    return sum(_paise(row, columns, name) for name in names if name in columns and row[columns[name]].strip())


def _paise(row: list[str], columns: Columns, name: str) -> int:
    text = row[columns[name]].strip()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    try:
        return sign * paise(digits)
    except ValueError as error:
        raise BadRow(f"{name} is {_shown(text)}, not rupees with two decimals") from error


def _shown(text: str) -> str:
    return repr(text[:MOST_SHOWN])

"""What was read of a settlement file, in a temporary file that ends with the process: memory does not grow with it."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from math import gcd

# "" is a database of SQLite's own in a temporary file. Nothing of it outlives the process, so nothing is waited for.
TEMPORARY = ""
TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE part (
    row INTEGER PRIMARY KEY, digest BLOB UNIQUE NOT NULL, kind TEXT, reference TEXT, amount INTEGER, fee INTEGER,
    tax INTEGER, "order" TEXT, contradictions TEXT, times INTEGER NOT NULL DEFAULT 1);
CREATE INDEX part_of ON part (kind, reference);
"""
ADD = """
INSERT INTO part (digest, kind, reference, amount, fee, tax, "order", contradictions) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
PARTS = """
SELECT amount, fee, tax, times, "order", contradictions FROM part WHERE kind = ? AND reference = ? ORDER BY row
"""
REFERENCES = "SELECT reference FROM part WHERE kind = ? GROUP BY reference ORDER BY min(row)"


@dataclass
class Part:
    """One row in paise, and how often the file has it, word for word."""

    amount_paise: int
    fee_paise: int
    tax_paise: int
    times: int = 1


@dataclass
class SettledMoney:
    """What the file says of one payment or refund, in paise: one customer's money may come by several instruments.

    Each row counts once here, however often the file has it: see `adding_up_to`. A refund's amount is positive, as it
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

    def adding_up_to(self, paise: int) -> "SettledMoney":
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


class Spool:
    def __init__(self) -> None:
        self._database = sqlite3.connect(TEMPORARY, isolation_level=None)
        self._database.executescript(TABLES)

    def add(
        self, digest: bytes, kind: str, reference: str, part: Part, order: str, contradictions: list[str]
    ) -> None:
        """A row of which `repeats` was told before that it is a new one."""
        paise = part.amount_paise, part.fee_paise, part.tax_paise
        self._database.execute(ADD, (digest, kind, reference, *paise, order, json.dumps(contradictions)))

    def add_unreadable(self, digest: bytes) -> None:
        self._database.execute("INSERT INTO part (digest) VALUES (?)", (digest,))

    def repeats(self, digest: bytes) -> bool:
        """Whether this row has been added before, word for word; counts it if so."""
        counted = self._database.execute("UPDATE part SET times = times + 1 WHERE digest = ?", (digest,))
        return counted.rowcount > 0

    def of(self, kind: str) -> "SpooledRows":
        return SpooledRows(self._database, kind)


class SpooledRows(Mapping[str, SettledMoney]):
    """By reference, in the order of the file."""

    def __init__(self, database: sqlite3.Connection, kind: str) -> None:
        self._database, self._kind = database, kind

    def __getitem__(self, reference: str) -> SettledMoney:
        settled = SettledMoney()
        for *paise, order, contradictions in self._database.execute(PARTS, (self._kind, reference)):
            settled.add(Part(*paise), order, json.loads(contradictions))
        if not settled.parts:
            raise KeyError(reference)
        return settled

    def __contains__(self, reference: object) -> bool:
        found = self._database.execute(f"{PARTS} LIMIT 1", (self._kind, reference))
        return found.fetchone() is not None

    def __iter__(self) -> Iterator[str]:
        return (reference for (reference,) in self._database.execute(REFERENCES, (self._kind,)))

    def __len__(self) -> int:
        counted = "SELECT count(DISTINCT reference) FROM part WHERE kind = ?"
        [(count,)] = self._database.execute(counted, (self._kind,))
        return int(count)


Fee = tuple[int, int, int, str, bool]  # payment, attempt, paise, reference, whether it is simulated


class Fees:
    """Fees and taxes that the ledger has not yet."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(TEMPORARY, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE fee (payment, attempt, paise, reference, simulated)")
        self.count = self.paise = 0

    def add(self, fee: Fee) -> None:
        self._database.execute("INSERT INTO fee VALUES (?, ?, ?, ?, ?)", fee)
        self.count += 1
        self.paise += fee[2]

    def batches(self, size: int) -> Iterator[list[Fee]]:
        found = self._database.execute("SELECT * FROM fee ORDER BY rowid")
        while batch := [(*each[:4], bool(each[4])) for each in islice(found, size)]:
            yield batch

"""The rows of `bench.seed`: customers, what they bought, what PhonePe said, and what came of it."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import psycopg
from django.core.management.color import no_style
from django.db import connection, transaction
from psycopg import sql

from bench.seed import AHEAD, IN_REVIEW, LEAD, NULL, OPEN, PAYMENTS_PER_CUSTOMER, PER_DAY
from bench.tables import HOST, make_tables
from booking.models.bookings import BOOK_ID_LETTERS
from payment.models.receipts import financial_year
from payment.services.schedule import TAIL

FIRST_NAMES = ("Asha", "Radha", "Vikram", "Ananya", "Rohan", "Meera", "Arjun", "Lakshmi", "Suresh", "Priya")
LAST_NAMES = ("Sharma", "Iyer", "Singh", "Patel", "Das", "Nair", "Verma", "Rao", "Mishra", "Ghosh", "Jain")
CITIES = (("Patna", "Bihar", "800001"), ("Pune", "Maharashtra", "411001"), ("Varanasi", "UP", "221001"))
PUJAS = ("Satyanarayan Puja", "Griha Pravesh", "Namkaran", "Ganesh Puja", "Lakshmi Puja", "Rudrabhishek")
PUJAS += ("Mahamrityunjaya Jaap", "Navagraha Shanti", "Saraswati Puja", "Vivah Sanskar")
PRICES = (210_000, 510_000, 310_000, 150_000, 250_000, 110_000, 710_000, 330_000, 180_000, 900_000)
PERCENT, PROMO_EVERY = 10, 5
PRIESTS = 40
ASSIGNED = timedelta(days=1)  # so long before it begins, a booking is given to a priest
ALIKE, LAST_DIGITS = (
    25,
    "4321",
)  # people with one name and with them: a page of hits is full in a small shop, too
PURPOSES = ("Annadanam", "Gau seva", "Temple repair")

# State of the payment, what it became, state of its last order.
ENDINGS = {
    "BOOKED": ("SUCCESS", "BOOKED", "COMPLETED"),
    "SECOND_ORDER": ("SUCCESS", "BOOKED", "COMPLETED"),
    "EXPIRED": ("CANCELLED", "", "EXPIRED"),
    "FAILED": ("FAILED", "", "FAILED"),
    "DONATION": ("SUCCESS", "GIFT", "COMPLETED"),
    "LATE": ("SUCCESS", "REFUNDED", "COMPLETED"),
    "OPEN": ("PENDING", "", "PENDING"),
    "IN_REVIEW": ("PENDING", "HELD_FOR_STAFF", "COMPLETED"),
}
ATTEMPT_ENDS = {"SUCCESS": "COMPLETED", "FAILED": "FAILED", "CANCELLED": "EXPIRED"}
# State of the checkout, of its cart, of its hold.
UNPAID = ("RELEASED", "ABANDONED", "RELEASED")
PLACES = {
    "BOOKED": ("BOOKED", "CONVERTED", "TAKEN"),
    "SECOND_ORDER": ("BOOKED", "CONVERTED", "TAKEN"),
    "EXPIRED": UNPAID,
    "FAILED": UNPAID,
    "LATE": UNPAID,
    "OPEN": ("RESERVED", "CHECKED_OUT", "HELD"),
    "IN_REVIEW": ("RESERVED", "CHECKED_OUT", "RELEASED"),
}
PER_HUNDRED = (
    ("BOOKED", 70),
    ("EXPIRED", 15),
    ("FAILED", 8),
    ("DONATION", 4),
    ("LATE", 1),
    ("SECOND_ORDER", 2),
)
OF_A_HUNDRED = [ending for ending, times in PER_HUNDRED for _ in range(times)]


class Trade:
    """`buy` writes the rows of some payments; ids are given in their order, so that no row is asked for."""

    def __init__(self, payments: int, days: float, now: datetime, dice: random.Random) -> None:
        self.now, self.dice, self.payments = now.replace(microsecond=0), dice, payments
        self.customers = payments // PAYMENTS_PER_CUSTOMER + 1
        self.days, self.slots = days, (ceil(days) + AHEAD) * PER_DAY  # of a service
        self.begins = (self.now - timedelta(days=days)).replace(microsecond=0)
        self.booked, self.held = [0] * (self.slots * len(PUJAS)), [0] * (self.slots * len(PUJAS))
        self.busy = [0] * self.slots  # priests at that time
        self.used = self.reserved = 0
        self.ids = dict.fromkeys(("attempt", "event", "booking", "receipt", "refund", "hold"), 0)
        self.numbers: dict[tuple[str, int], int] = {}  # the last paper of each series and financial year
        self.tables = make_tables()

    @property
    def rows(self) -> int:
        return sum(table.count for table in self.tables.values())

    @contextmanager
    def loading(self) -> Iterator[Callable[[], None]]:
        """Yields what copies the rows so far. Indexes are made at the end, in one transaction with all rows."""
        with connection.cursor() as cursor:
            for name in ("idle_in_transaction_session_timeout", "statement_timeout", "lock_timeout"):
                cursor.execute(f"SET {name} = 0")
        with transaction.atomic(), connection.cursor() as cursor:
            raw: psycopg.Cursor = cursor.cursor
            tables = sql.SQL(", ").join(sql.Identifier(table.table) for table in self.tables.values())
            if raw.execute("SELECT 1 FROM payment_payment LIMIT 1").fetchone():
                raise SystemExit("This database has payments: give an empty one.")
            raw.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys
            raw.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))
            indexes = _drop_indexes(raw, [table.table for table in self.tables.values()])
            for table in self.tables.values():
                table.set_defaults(raw)

            def copied() -> None:
                for table in self.tables.values():
                    table.copy(raw)

            self._people()
            self._records()
            yield copied
            self._catalogue()
            copied()
            for table in self.tables.values():
                table.drop_defaults(raw)
            for statement in indexes:
                raw.execute(statement)
        with connection.cursor() as cursor:
            seeded = [table.model for table in self.tables.values()]
            for statement in connection.ops.sequence_reset_sql(no_style(), seeded):
                cursor.execute(statement)
            cursor.execute("VACUUM ANALYZE")

    def buy(self, numbers: range) -> None:
        for number in numbers:
            left = self.payments - number
            if left <= OPEN:
                self._pay(number, "OPEN")
            elif left <= OPEN + IN_REVIEW:
                self._pay(number, "IN_REVIEW")
            else:
                self._pay(number, OF_A_HUNDRED[number % 100])

    def _pay(self, number: int, ending: str) -> None:
        pk, key = number + 1, self.dice.getrandbits(96)
        opened = self.begins + timedelta(days=self.days) * (number / self.payments)
        if ending == "OPEN":
            opened = self.now - timedelta(minutes=2)
        if ending == "IN_REVIEW":
            opened = self.now - timedelta(days=2)
        decided = opened + timedelta(minutes=3)
        service = number % len(PUJAS)
        has_promo = number % PROMO_EVERY == 0 and ending != "DONATION"
        price = PRICES[service]
        discount = price * PERCENT // 100 if has_promo else 0
        total = price - discount
        received = total - 100 if ending == "IN_REVIEW" else total
        state, fulfilment, attempt_state = ENDINGS[ending]
        user = number * 7_919 % self.customers + 1
        if ending == "DONATION":
            user, total, discount, received = NULL, price, 0, price
        else:
            self._check_out(pk, user, service, price, discount, opened, ending)
        is_open = ending == "OPEN"
        mobile = f"+9197{number % 100_000_000:08}" if ending == "DONATION" else ""
        self.tables["payment"].add(
            *(pk, user, NULL if ending == "DONATION" else pk, f"OKP-{key:024X}"[:20], total, state),
            *(fulfilment, "amount_differs" if ending == "IN_REVIEW" else "", mobile, opened, opened),
            NULL if state == "PENDING" else decided,
        )
        if ending == "SECOND_ORDER":
            self._order(pk, 1, "FAILED", total, 0, opened, f"OKP{key ^ 1:024x}")
        order = f"OKP{key:024x}"
        number_of_order = 2 if ending == "SECOND_ORDER" else 1
        attempt = self._order(pk, number_of_order, attempt_state, total, received, opened, order)
        self._history(pk, attempt, state, fulfilment, opened, decided)
        if is_open or ending == "EXPIRED":
            return
        event = self._webhook(attempt, order, attempt_state, received, decided)
        if attempt_state == "COMPLETED":
            self._money(pk, user, attempt, order, ending, price, discount, received, decided, event)
        elif user != NULL:
            self._tell("not_paid", pk, user, decided)

    def _check_out(
        self, pk: int, user: int, service: int, price: int, discount: int, opened: datetime, ending: str
    ) -> None:
        day = (opened - self.begins).days + 2 + pk * 31 % LEAD
        slot = service * self.slots + day * PER_DAY + pk % PER_DAY
        starts = self._start(slot)
        checkout, cart, hold = PLACES[ending]
        is_cancelled = checkout == "BOOKED" and pk % 20 == 0
        if is_cancelled:
            hold = "RELEASED"
        self.booked[slot] += hold == "TAKEN"
        self.held[slot] += hold == "HELD"
        promo_state = {"BOOKED": "USED", "RESERVED": "RESERVED", "RELEASED": "RELEASED"}[checkout]
        self.used += bool(discount) and promo_state == "USED"
        self.reserved += bool(discount) and promo_state == "RESERVED"
        promo = (1, promo_state, "DIWALI10", PERCENT, 0) if discount else (NULL, "", "", NULL, NULL)
        uuid = f"{self.dice.getrandbits(128):032x}"
        day_and_time = (starts + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%d\t%H:%M")
        self.tables["cart"].add(pk, user, uuid, service + 1, service + 1, day_and_time, cart, opened, opened)
        end = opened + timedelta(minutes=15)
        city, state, pin = CITIES[user % len(CITIES)]
        self.tables["checkout"].add(
            *(pk, pk, user, checkout, end, opened, price, discount, price - discount, starts),
            *(service + 1, PUJAS[service], service + 1, *promo),
            *(user, f"{user % 900 + 1} Temple Road", city, state, pin, self.begins, self.begins),
            *(self.begins, self.begins, self.begins, self.begins, self.begins, self.begins),
        )
        released = end if hold == "RELEASED" else NULL
        self.tables["hold"].add(pk, pk, slot + 1, hold, end + timedelta(minutes=5), opened, released)
        if checkout == "BOOKED":
            self._book(pk, user, slot, opened, is_cancelled)

    def _book(self, pk: int, user: int, slot: int, opened: datetime, is_cancelled: bool) -> None:
        starts = self._start(slot)
        status = "CANCELLED" if is_cancelled else "COMPLETED" if starts < self.now else "CONFIRMED"
        rest, letters = pk * 48_271, []
        for _ in range(8):
            rest, letter = divmod(rest, len(BOOK_ID_LETTERS))
            letters.append(BOOK_ID_LETTERS[letter])
        self.ids["booking"] += 1
        self.tables["booking"].add(
            *(self.ids["booking"], f"BK-{''.join(letters)}", user, pk, starts, status),
            *(opened + timedelta(days=1) if is_cancelled else NULL, opened, opened),
        )
        turn = slot % self.slots
        if not is_cancelled and starts < self.now + ASSIGNED and self.busy[turn] < PRIESTS:
            self.busy[turn] += 1
            priest, ends = self.busy[turn], starts + timedelta(minutes=90)
            self.tables["assignment"].add(self.ids["booking"], priest, starts, ends, opened)

    def _order(
        self, pk: int, number: int, state: str, total: int, received: int, opened: datetime, order: str
    ) -> int:
        self.ids["attempt"] += 1
        attempt, is_paid = self.ids["attempt"], state == "COMPLETED"
        expires = opened + timedelta(minutes=15)
        due: Any = NULL
        if state == "PENDING":
            due = self.now + timedelta(seconds=30)
        elif state == "EXPIRED":
            tail = (expires + timedelta(seconds=seconds) for seconds in TAIL)
            due = next((moment for moment in tail if moment > self.now), NULL)
        decided = NULL if state == "PENDING" else opened + timedelta(minutes=3)
        self.tables["attempt"].add(
            *(attempt, pk, number, order, state, total, received if is_paid else NULL),
            *(decided if is_paid else NULL, f"https://{HOST}/pg/{order}", f"OMO{order[3:19]}"),
            *(f"T{order[3:19]}" if is_paid else "", f"{attempt:012}" if is_paid else ""),
            *(opened, expires, due, opened, decided),
        )
        for step in range(3):
            failed = (attempt + step) % 200 == 0
            self.tables["call"].add(
                *(pk, attempt, "status" if step else "pay", 80 + attempt % 300, NULL if failed else 200),
                *("READ_TIMEOUT" if failed else "", "NEW_WORD" if attempt % 10_000 == 0 else ""),
                opened + timedelta(seconds=25 * step),
            )
        return attempt

    def _history(
        self, pk: int, attempt: int, state: str, fulfilment: str, opened: datetime, decided: datetime
    ) -> None:
        add = self.tables["change"].add
        add(pk, NULL, "payment", "", "PENDING", "opened", opened)
        add(pk, attempt, "attempt", "CREATED", "PENDING", "page_opened", opened)
        if state != "PENDING":
            add(pk, attempt, "attempt", "PENDING", ATTEMPT_ENDS[state], "phonepe_answered", decided)
            add(pk, NULL, "payment", "PENDING", state, "decided", decided)
        if fulfilment:
            add(pk, NULL, "fulfilment", "", fulfilment, "fulfilled", decided)

    def _webhook(self, attempt: int, order: str, state: str, paise: int, moment: datetime) -> int:
        self.ids["event"] += 1
        word = "checkout.order.completed" if state == "COMPLETED" else "checkout.order.failed"
        body = f'{{"event":"{word}","payload":{{"merchantOrderId":"{order}","state":"{state}","amount":{paise}}}}}'
        self.tables["event"].add(
            *(self.ids["event"], f"{self.dice.getrandbits(256):064x}", f"\\\\x{body.encode().hex()}", word),
            *(order, state, paise, attempt, moment, moment),
        )
        return self.ids["event"]

    def _money(
        self,
        pk: int,
        user: Any,
        attempt: int,
        order: str,
        ending: str,
        price: int,
        discount: int,
        received: int,
        moment: datetime,
        event: int,
    ) -> None:
        kind = "SUSPENSE" if ending == "IN_REVIEW" else "RECEIPT"
        add = self.tables["ledger"].add
        add(pk, attempt, kind, received, order, moment)
        if ending == "IN_REVIEW":
            return
        self.ids["receipt"] += 1
        series = "DON" if ending == "DONATION" else "OKP"
        numbered = self._number(series, moment)
        if ending == "DONATION":
            self.tables["donation"].add(pk, f"donor{pk}@example.com", PURPOSES[pk % len(PURPOSES)])
        self.tables["receipt"].add(
            self.ids["receipt"], pk, series, *numbered, moment, price, discount, received
        )
        is_cancelled = ending in ("BOOKED", "SECOND_ORDER") and pk % 20 == 0
        if ending == "LATE":
            self.tables["offer"].add(pk, "CLOSED", moment + timedelta(days=1), moment, moment)
        if is_cancelled or ending == "LATE":
            self._refund(pk, attempt, order, received, moment + timedelta(days=1))
        elif self.now - moment > timedelta(days=2):
            add(pk, attempt, "FEE", -received // 50, f"fee:{order}", moment + timedelta(days=1))
            add(pk, attempt, "FEE", -received * 18 // 5_000, f"tax:{order}", moment + timedelta(days=1))
        if pk % 20_000 == 7:
            dispute = pk // 20_000 + 1
            self.tables["dispute"].add(dispute, f"D{pk}", attempt, event, moment, moment, moment)
            self.tables["update"].add(dispute, event, moment, moment)
        if user != NULL:
            told = {"LATE": "refund_started"}.get(ending, "cancelled" if is_cancelled else "booked")
            self._tell(told, pk, user, moment)

    def _refund(self, pk: int, attempt: int, order: str, paise: int, moment: datetime) -> None:
        self.ids["refund"] += 1
        refund, end = f"R{order}", moment + timedelta(hours=2)
        self.tables["refund"].add(
            *(self.ids["refund"], pk, attempt, refund, paise, f"OMR{order[3:19]}", f"{pk:012}", moment),
            *(moment, end),
        )
        self.tables["ledger"].add(pk, attempt, "REFUND", -paise, refund, end)
        numbered = self._number("OKC", end)
        self.tables["note"].add(self.ids["refund"], self.ids["receipt"], *numbered, end, paise)

    def _number(self, series: str, moment: datetime) -> tuple[int, int]:
        """The financial year of a paper, and its number in it."""
        year = financial_year(moment)
        self.numbers[series, year] = self.numbers.get((series, year), 0) + 1
        return year, self.numbers[series, year]

    def _tell(self, kind: str, pk: int, user: int, moment: datetime) -> None:
        self.tables["notification"].add(
            *(kind, f"{kind}:payment:{pk}", user, f"devotee{user}@example.com"),
            *(f'{{"payment_id": {pk}}}', f"<{self.dice.getrandbits(128):032x}@okpuja.example>"),
            *(moment, moment + timedelta(seconds=5)),
        )
        if self.now - moment < timedelta(days=1):
            digest, lease = f"{self.dice.getrandbits(256):064x}", f"{self.dice.getrandbits(128):032x}"
            self.tables["key"].add(f"user:{user}", digest, digest, lease, moment, moment)

    def _people(self) -> None:
        for pk in range(1, self.customers + 1):
            first, last = FIRST_NAMES[pk % len(FIRST_NAMES)], LAST_NAMES[pk % len(LAST_NAMES)]
            phone = f"+9198{pk:08}"
            if pk <= ALIKE:
                first, last, phone = "Radha", "Sharma", f"+9196{pk:04}{LAST_DIGITS}"
            joined = self.begins + timedelta(days=self.days) * (pk / self.customers) * 0.9
            self.tables["user"].add(
                *(pk, f"devotee{pk}@example.com", phone, first, last, joined, joined, joined),
            )
            city, state, pin = CITIES[pk % len(CITIES)]
            self.tables["address"].add(pk, f"{pk % 900 + 1} Temple Road", city, state, pin, joined, joined)
            if pk % 8 == 0:
                ends = self.now + timedelta(hours=1 + pk % 600)
                key, digest = f"{self.dice.getrandbits(128):032x}", f"{self.dice.getrandbits(256):064x}"
                self.tables["session"].add(pk, key, digest, digest, self.now, self.now, ends)
            if pk % 24 == 0:
                asked = self.now - timedelta(days=pk % 29)
                self.tables["code"].add(pk, asked, asked + timedelta(minutes=15), asked)

    def _records(self) -> None:
        """Kept in a fixed number by the product itself: the same in a large shop and in a small one."""
        for night in range(1, 400):
            day = self.now - timedelta(days=night)
            self.tables["reconciliation"].add(day.date(), f"night {day.date()}", day, day)
        for run in range(500):
            moment = self.now - timedelta(minutes=5 * (500 - run))
            number = int(moment.timestamp()) // 300
            self.tables["diagnosis"].add(f"regular {number}", moment, moment + timedelta(seconds=3))

    def _catalogue(self) -> None:
        self.tables["category"].add(1, "Home and family", self.begins, self.begins)
        self.tables["promo"].add(1, "DIWALI10", PERCENT, self.begins, self.used, self.reserved, self.begins)
        for number in range(1, PRIESTS + 1):
            self.tables["priest"].add(
                number, f"Pandit {LAST_NAMES[number % len(LAST_NAMES)]} {number}", self.begins
            )
        for number, (title, price) in enumerate(zip(PUJAS, PRICES, strict=True), start=1):
            self.tables["service"].add(number, title, self.begins, self.begins)
            self.tables["package"].add(number, number, price, self.begins, self.begins)
        for slot, (held, booked) in enumerate(zip(self.held, self.booked, strict=True)):
            self.tables["slot"].add(slot + 1, slot // self.slots + 1, self._start(slot), held, booked)
        for (series, year), last in self.numbers.items():
            self.tables["counter"].add(series, year, last)

    def _start(self, slot: int) -> datetime:
        """04:30 and 10:30 UTC are 10:00 and 16:00 in India."""
        day, turn = divmod(slot % self.slots, PER_DAY)
        midnight = self.begins.replace(hour=0, minute=0, second=0)
        return midnight + timedelta(days=day, hours=4 + 6 * turn, minutes=30)


def _drop_indexes(cursor: psycopg.Cursor, tables: list[str]) -> list[str]:
    """Of these tables, without those of constraints. Returns the statements that make them again."""
    found = cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE NOT indisunique AND NOT indisexclusion AND indrelid = ANY (%s::regclass[])",
        [tables],
    ).fetchall()
    for name, _ in found:
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
    return [statement for _, statement in found]

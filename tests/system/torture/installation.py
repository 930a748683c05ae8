"""Two shops, one for each generation of PhonePe's wire, over one PostgreSQL, one PhonePe and one post office.

Everything is a real process, and anything but PhonePe may be killed at any time and is started again.
"""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
import requests

from tests.harness.postgres import Postgres
from tests.harness.servers import ROOT, Process, eventually, surroundings
from tests.system.torture.wires import Address, Wire, free_port, until_it_listens
from tests.unit.notifications.servers import MailServer

# No fsync: the machine stays up. But what was committed must outlive a crash of PostgreSQL itself.
DURABLE = ("-F",)
WEBHOOK = "/api/payments/webhook/phonepe/"
OFFER_LINK = re.compile(r"http://\S+/offer/\S+/")
OUR_FAULT = "Internal Server Error"  # with the stack
MERCHANTS = {"v1": "PGTESTPAYUAT", "v2": "SIMMERCHANT"}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
WORK = ("manage.py", "work", "--interval", "0.2")
PREPARE = """
import django, json, sys
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("seed_demo", "--password=a-long-lotus-pond-47", stdout=open("/dev/null", "w"))
from accounts.authentication import SessionToken
from accounts.models import User
people = [User.objects.create_user(f"devotee{n}@example.com", None) for n in range(int(sys.argv[1]))]
staff = [User.objects.create_superuser(f"staff{n}@example.com", None) for n in range(2)]
token = lambda person: str(SessionToken.for_user(person).access_token)
print(json.dumps([[token(person) for person in group] for group in (people, staff)]))
"""


@dataclass
class Scale:
    """How big the town is, how many work in each of its shops, and how much faster its time goes."""

    people: int = 300
    workers: dict[str, int] = field(default_factory=lambda: {"v1": 1, "v2": 3})
    time: int = 60


class Program:
    """A process that can be killed and started again; what it said before is kept as far as it matters."""

    def __init__(self, name: str, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.name, self._arguments, self._environment = name, arguments, environment
        self._complaints: list[str] = []
        self._lock = threading.Lock()
        self.start()

    def start(self) -> None:
        self._process = Process(self.name, *self._arguments, environment=self._environment)

    def restart(self) -> None:
        """After kill -9."""
        with self._lock:
            self._bury()
            self.start()

    def look_after(self) -> None:
        """Whoever ends without being killed has a fault of its own."""
        with self._lock:
            if self._process.has_ended:
                self._complaints.append(f"{self.name} ended by itself: {self._process.said[-2000:]}")
                self._bury()
                self.start()

    def end(self) -> None:
        with self._lock:
            self._process.stop()

    @property
    def complaints(self) -> list[str]:
        """What it said that nobody should have to say, before each of its deaths and since."""
        return self._complaints + self._news()

    def _bury(self) -> None:
        self._complaints += self._news()
        self._process.kill()

    def _news(self) -> list[str]:
        lines = self._process.said.splitlines()
        return [f"{self.name}: {line[:5000]}" for line in lines if OUR_FAULT in line]


@dataclass
class Shop:
    generation: str
    database_url: str
    entrance: Wire
    servers: list[Program]
    workers: list[Program]
    addresses: list[Address]
    tokens: list[str]
    staff_tokens: list[str]

    @property
    def urls(self) -> list[str]:
        return ["http://{}:{}".format(*address) for address in self.addresses]

    @property
    def programs(self) -> list[Program]:
        return self.servers + self.workers

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def leave(self, folder: Path) -> None:
        """All of its rows, a file for each table."""
        with psycopg.connect(self.database_url) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                file = folder / f"{self.generation}-{table}.csv"
                with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT csv, HEADER)") as rows:
                    file.write_bytes(b"".join(rows))


@dataclass
class PhonePe:
    url: str
    books: Path
    process: Process

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        answer = requests.request(method, f"{self.url}/simulator/control/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    @property
    def complaints(self) -> list[str]:
        """It writes a stack where it has failed itself."""
        _, traceback, rest = self.process.said.partition("Traceback")
        return [f"PhonePe: {traceback}{rest[:5000]}"] if traceback else []

    def query(self, statement: str, *values: Any) -> list[Any]:
        """Its own books, as an auditor reads them."""
        with closing(sqlite3.connect(self.books, timeout=30)) as connection, connection:
            return connection.execute(statement, values).fetchall()


@dataclass
class Town:
    postgres: Postgres
    phonepe: PhonePe
    wires: list[Wire]
    post_office: "PostOffice"
    shops: list[Shop] = field(default_factory=list)

    @cached_property
    def programs(self) -> list[Program]:
        return [program for shop in self.shops for program in shop.programs]

    def leave_books(self) -> Path:
        """A folder with the books of the shops and of PhonePe, for whoever looks for the cause of a violation."""
        folder = Path(tempfile.mkdtemp(prefix="okpuja-torture-"))
        for shop in self.shops:
            shop.leave(folder)
        shutil.copy(self.phonepe.books, folder)
        return folder


class PostOffice(MailServer):
    """Keeps who was told what, by the name of the message, and links to offers; now and then it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.offers: SimpleQueue[str] = SimpleQueue()
        self.is_closed = False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.is_closed

    def take(self, raw: bytes) -> None:
        super().take(raw)
        mail = self.mails.pop()
        self.seen.add(mail["Message-ID"])
        text = mail.get_body(("plain",))
        for link in OFFER_LINK.findall(text.get_content() if text else ""):
            self.offers.put(link)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # who is killed in the middle of a mail hangs up


@contextmanager
def town(scale: Scale) -> Iterator[Town]:
    with ExitStack() as stack:
        postgres = Postgres.start(DURABLE)
        stack.callback(postgres.stop)
        phonepe = stack.enter_context(open_phonepe())
        post_office = stack.enter_context(PostOffice())
        threading.Thread(target=post_office.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(post_office.shutdown)
        wires = [Wire([address_of(phonepe.url)]) for _ in range(2)]
        for wire in wires:
            stack.callback(wire.close)
        built = Town(postgres, phonepe, wires, post_office)
        for generation, workers in scale.workers.items():
            built.shops.append(open_shop(built, generation, workers, scale, stack))
        yield built


@contextmanager
def open_phonepe() -> Iterator[PhonePe]:
    with tempfile.TemporaryDirectory(prefix="okpuja-phonepe-") as folder:
        books = Path(folder) / "phonepe.sqlite3"
        arguments = ("manage.py", "phonepe_simulator", "--port", "0", "--database", str(books))
        process = Process("simulator", *arguments, environment=surroundings(LOG_LEVEL="ERROR"))
        try:
            url = eventually(
                lambda: process.said.partition("ready on ")[2].partition("\n")[0], "PhonePe is ready"
            )
            yield PhonePe(url, books, process)
        finally:
            process.stop()


def open_shop(place: Town, generation: str, workers: int, scale: Scale, stack: ExitStack) -> Shop:
    with psycopg.connect(place.postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {generation}")
    addresses = [("127.0.0.1", free_port()) for _ in range(2)]
    entrance = Wire(addresses)
    stack.callback(entrance.close)
    environment = settings_of(place, generation, entrance, scale)
    people, staff = prepare(environment, scale.people)
    servers = [Program(f"{generation}-server", gunicorn(address), environment) for address in addresses]
    at_work = [Program(f"{generation}-worker", WORK, environment) for _ in range(workers)]
    for program in servers + at_work:
        stack.callback(program.end)
    for address in addresses:
        until_it_listens(address)
    if generation == "v2":  # V1 names the address of its callback with every order
        place.phonepe.control(f"merchants/{MERCHANTS['v2']}/", {"webhook_url": entrance.url + WEBHOOK})
    return Shop(
        generation, place.postgres.url(generation), entrance, servers, at_work, addresses, people, staff
    )


def settings_of(place: Town, generation: str, entrance: Wire, scale: Scale) -> dict[str, str]:
    """PhonePe is reached by two wires, the shop by one. Calls give up early, so that much can go wrong."""
    first, second = (f"{wire.url}/simulator/apis/pg-sandbox" for wire in place.wires)
    return surroundings(
        DATABASE_URL=place.postgres.url(generation),
        PUBLIC_BASE_URL=entrance.url,
        FRONTEND_BASE_URL="http://frontend.example",
        PHONEPE_API_VERSION=generation,
        PHONEPE_BASE_URL=first,
        PHONEPE_FALLBACK_BASE_URLS=second,
        PHONEPE_DEADLINE=8,
        PHONEPE_CONNECT_TIMEOUT=2,
        PHONEPE_READ_TIMEOUT=4,
        PHONEPE_CALLS_AT_ONCE=8,
        PAYMENT_TIME_SCALE=scale.time,
        EMAIL_URL=f"smtp://127.0.0.1:{place.post_office.port}",
        EMAIL_TIMEOUT=2,
        STAFF_EMAILS="priest@example.com",
        REFUND_FULL_HOURS=1,
        REFUND_SECOND_PERSON_ABOVE=3000,
        OFFER_HOURS=1,
        LOG_LEVEL="WARNING",
    )


def gunicorn(address: Address) -> tuple[str, ...]:
    bind = ("--bind", "{}:{}".format(*address), "--worker-class", "gthread", "--threads", "16")
    return ("-m", "gunicorn", "okpuja.wsgi:application", *bind, "--no-control-socket")


def prepare(environment: dict[str, str], people: int) -> list[list[str]]:
    made = subprocess.run(
        [sys.executable, "-c", PREPARE, str(people)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return json.loads(made.stdout)


def address_of(url: str) -> Address:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def once_the_database_answers(ask: Callable[[], Any], seconds: float = 30) -> Any:
    """PostgreSQL is restarted under everybody, the auditor included."""

    def answer() -> tuple[Any] | None:
        try:
            return (ask(),)
        except psycopg.Error:
            return None

    return eventually(answer, "the database answers", seconds)[0]

"""Two installations, one for each generation of PhonePe's API, over one PostgreSQL, one PhonePe and one mail server.

Everything is a real process, and anything but PhonePe may be killed at any time and is started again.
"""

import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg

from tests.harness.broker import BROKERS, Broker
from tests.harness.customers import FRONTEND
from tests.harness.databases import query
from tests.harness.forwarder import Address, Forwarder, free_port, wait_until_listening
from tests.harness.installation import WEBHOOK, Installation
from tests.harness.mail_server import MailServer
from tests.harness.postgres import Postgres
from tests.harness.processes import RestartableProcess, Simulator, eventually

# No fsync: the machine stays up. But what was committed must outlive a crash of PostgreSQL itself.
DURABLE = ("-F",)
OFFER_LINK = re.compile(r"http://\S+/offer/\S+/")
MERCHANTS = {"v1": "PGTESTPAYUAT", "v2": "SIMMERCHANT"}
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
CONFIRMED = "UPDATE accounts_user SET email_confirmed_at = now()"  # nobody else may wait for a place
WORK = ("manage.py", "work", "--interval", "0.2")
CELERY = ("-m", "celery", "--app", "okpuja.celery")
CELERY_WORK = (*CELERY, "worker", "--pool", "threads", "--concurrency", "13", "--loglevel", "WARNING")
CELERY_TIMER = (*CELERY, "beat", "--scheduler", "okpuja.celery:RowTimer", "--loglevel", "WARNING")


@dataclass
class Scale:
    """How many customers have an account, how many workers each installation has, how much faster time goes.

    `broker`: workers are Celery's, two of them and a timer for each installation, over one broker of this name.
    """

    people: int
    workers: dict[str, int] = field(default_factory=lambda: {"v1": 1, "v2": 3})
    time: int = 60
    broker: str = ""


class CeleryProcess(RestartableProcess):
    """kombu may end a worker whose broker was killed: its supervisor starts it again, and nothing is lost."""

    def restart_if_ended(self) -> None:
        if self._process.has_ended and "/kombu/" in self._process.output[-4000:]:
            self.restart()
            return
        super().restart_if_ended()


class RestartedInstallation(Installation):
    """Two servers behind one entrance, and workers: each keeps its port when it is killed and started again."""

    def __init__(
        self, generation: str, entrance: Forwarder, addresses: list[Address], **settings: Any
    ) -> None:
        super().__init__(PHONEPE_API_VERSION=generation, PUBLIC_BASE_URL=entrance.url, **settings)
        self.generation, self.entrance, self._addresses = generation, entrance, addresses
        self.programs: list[RestartableProcess] = []

    def start(self, workers: int) -> None:
        for address in self._addresses:
            self._start("server", *gunicorn(address))
        is_on_celery = "BROKER_URL" in self.environment
        for _ in range(2 if is_on_celery else workers):
            self._start("worker", *(CELERY_WORK if is_on_celery else WORK))
        if is_on_celery:
            self._start("timer", *CELERY_TIMER)
        for address in self._addresses:
            wait_until_listening(address)

    def _start(self, kind: str, *arguments: str) -> None:
        restartable = CeleryProcess if arguments[:2] == CELERY[:2] else RestartableProcess
        program = restartable(f"{self.generation}-{kind}", *arguments, environment=self.environment)
        self.programs.append(self.keep(program))

    @property
    def urls(self) -> list[str]:
        return ["http://{}:{}".format(*address) for address in self._addresses]

    def copy_tables(self, folder: Path) -> None:
        """All of its rows, a file for each table."""
        with psycopg.connect(self.database_url) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                file = folder / f"{self.generation}-{table}.csv"
                with connection.cursor().copy(f"COPY {table} TO STDOUT (FORMAT csv, HEADER)") as rows:
                    file.write_bytes(b"".join(rows))


@dataclass
class Testbed:
    """`network`: the two ways to PhonePe."""

    postgres: Postgres
    phonepe: Simulator
    network: list[Forwarder]
    inbox: "Inbox"
    installations: list[RestartedInstallation] = field(default_factory=list)
    broker: Broker | None = None
    __test__ = False

    @cached_property
    def programs(self) -> list[RestartableProcess]:
        return [program for installation in self.installations for program in installation.programs]

    def copy_books(self) -> Path:
        """A folder with all rows of the installations and of PhonePe, to look for the cause of a violation."""
        folder = Path(tempfile.mkdtemp(prefix="okpuja-torture-"))
        for installation in self.installations:
            installation.copy_tables(folder)
        shutil.copy(self.phonepe.books, folder)
        return folder


class Inbox(MailServer):
    """Keeps the id of each message, and links to offers; now and then it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.message_ids: set[str] = set()
        self.offers: SimpleQueue[str] = SimpleQueue()
        self.is_closed = False

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.is_closed

    def take(self, raw: bytes) -> None:
        super().take(raw)
        mail = self.mails.pop()
        self.message_ids.add(mail["Message-ID"])
        text = mail.get_body(("plain",))
        for link in OFFER_LINK.findall(text.get_content() if text else ""):
            self.offers.put(link)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a process that is killed in the middle of a mail hangs up


@contextmanager
def start_testbed(scale: Scale) -> Iterator[Testbed]:
    with ExitStack() as stack:
        postgres = Postgres.start(DURABLE)
        stack.callback(postgres.stop)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="okpuja-phonepe-")))
        phonepe = stack.enter_context(Simulator(folder / "phonepe.sqlite3"))
        inbox = stack.enter_context(Inbox())
        threading.Thread(target=inbox.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(inbox.shutdown)
        network = [Forwarder([address_of(phonepe.url)]) for _ in range(2)]
        for forwarder in network:
            stack.callback(forwarder.close)
        testbed = Testbed(postgres, phonepe, network, inbox)
        if scale.broker:
            testbed.broker = stack.enter_context(BROKERS[scale.broker]())
        for generation, workers in scale.workers.items():
            testbed.installations.append(start_in(testbed, generation, workers, scale, stack))
        yield testbed


def start_in(
    testbed: Testbed, generation: str, workers: int, scale: Scale, stack: ExitStack
) -> RestartedInstallation:
    """PhonePe is reached in two ways, the installation in one. Calls give up early, so that much can go wrong."""
    query(testbed.postgres.url("postgres"), f"CREATE DATABASE {generation}")
    addresses = [("127.0.0.1", free_port()) for _ in range(2)]
    entrance = Forwarder(addresses)
    stack.callback(entrance.close)
    first, second = (f"{forwarder.url}/simulator/apis/pg-sandbox" for forwarder in testbed.network)
    number = str(len(testbed.installations))
    broker = {"BROKER_URL": testbed.broker.url(number)} if testbed.broker else {}
    installation = RestartedInstallation(
        generation,
        entrance,
        addresses,
        database_url=testbed.postgres.url(generation),
        customers=scale.people,
        FRONTEND_BASE_URL=FRONTEND,
        PHONEPE_BASE_URL=first,
        PHONEPE_FALLBACK_BASE_URLS=second,
        PHONEPE_DEADLINE=8,
        PHONEPE_CONNECT_TIMEOUT=2,
        PHONEPE_READ_TIMEOUT=4,
        PHONEPE_CALLS_AT_ONCE=8,
        PAYMENT_TIME_SCALE=scale.time,
        EMAIL_URL=f"smtp://127.0.0.1:{testbed.inbox.port}",
        EMAIL_TIMEOUT=2,
        STAFF_EMAILS="priest@example.com",
        REFUND_FULL_HOURS=1,
        REFUND_SECOND_PERSON_ABOVE=3000,
        OFFER_HOURS=1,
        LOG_LEVEL="WARNING",
        **broker,
    )
    installation.query(CONFIRMED)
    stack.enter_context(installation).start(workers)
    if generation == "v2":  # V1 names the address of its callback with every order
        testbed.phonepe.send_webhooks_to(entrance.url + WEBHOOK)
    return installation


def gunicorn(address: Address) -> tuple[str, ...]:
    host, port = address
    serving = (f"--bind={host}:{port}", "--worker-class=okpuja.gunicorn_worker.Worker", "--threads=16")
    return ("-m", "gunicorn", "okpuja.wsgi:application", *serving, "--no-control-socket")


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

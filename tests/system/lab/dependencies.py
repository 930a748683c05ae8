"""Rows about our own dependencies: none of them is PhonePe's fault."""

import atexit
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from diagnostics.enums import Verdict
from okpuja.environment import mail
from payment.models import PaymentAttempt
from tests.harness import ROOT
from tests.harness.databases import query
from tests.harness.postgres import FAST, Postgres
from tests.harness.processes import Process, eventually, process_environment
from tests.integration.wire.faults import message
from tests.system.lab import actors
from tests.system.lab.actors import Behaviour
from tests.system.lab.case import NONE, OK, Case, nothing
from tests.system.lab.faults import THIS_SERVER
from tests.system.lab.testbed import BROKER, CACHE, DATABASE, MAIL, Testbed, Wire
from tests.unit.payment.builders import make_payment

GENERATIONS = ("v1", "v2")
TEMPLATE = "OKPUJA_LAB_POSTGRES"  # names the folder of a migrated server that is stopped


def rows() -> Iterator[Case]:
    yield from _mail_servers_out_of_reach()
    yield from _mail_servers_that_refuse()
    yield from _encrypted_mail_servers()
    yield from _brokers()
    yield from _disks()
    yield from _caches()
    yield from _workers()
    yield from _databases()


def _mail_servers_out_of_reach() -> Iterator[Case]:
    for title, change in (
        ("refused", {"listens": False}),
        ("drops packets", {"is_deaf": True}),
        ("silent", {"behave": actors.listen_only}),
        ("does not greet us", {"behave": actors.tell(b"")}),
        ("name unknown", {"told": "NXDOMAIN"}),
    ):
        yield Case(
            f"mail server {title}", "v2", "dependencies", mail_server(change), Verdict.MAIL_DOWN, THIS_SERVER, "down",
            dependency="mail", named="mail.hosting.example:2525",
        )  # fmt: skip


def _mail_servers_that_refuse() -> Iterator[Case]:
    for title, behave, url, named in (
        ("refuses our login", actors.mail_server("AUTH PLAIN LOGIN"), SMTP_URL, "user and password in EMAIL_URL"),
        ("wants an app password", actors.mail_server("AUTH PLAIN", login=b"534 5.7.9 App password required"),
         SMTP_URL, "user and password in EMAIL_URL"),
        ("takes no logins", actors.mail_server(), SMTP_URL, "user and password in EMAIL_URL"),
        ("without STARTTLS", actors.mail_server("AUTH PLAIN"), SMTP_URL.replace("smtp:", "smtp+tls:"), "smtps://"),
        ("without TLS", actors.mail_server("AUTH PLAIN"), SMTP_URL.replace("smtp:", "smtps:"), "smtp+tls://"),
        ("wants STARTTLS first", actors.mail_server("STARTTLS", login=b"530 5.7.0 Must issue a STARTTLS command first"),
         SMTP_URL, "smtp+tls://"),
        ("knows another kind of login", actors.mail_server("AUTH XOAUTH2"), SMTP_URL, "user and password in EMAIL_URL"),
        ("has disabled our login", actors.mail_server("AUTH LOGIN", login=b"535 5.7.139 basic login is disabled"),
         SMTP_URL, "user and password in EMAIL_URL"),
        ("cannot check logins now", actors.mail_server("AUTH PLAIN", login=b"454 4.7.0 Temporary failure"),
         SMTP_URL, "mail.hosting.example:2525"),
        ("refuses our address", actors.tell_at_once(b"554 5.7.1 Your address is on a block list\r\n"), SMTP_URL,
         "block list"),
        ("has too many clients", actors.tell_at_once(b"421 4.7.0 Too many connections\r\n"), SMTP_URL,
         "Too many connections"),
        ("is a web server", actors.tell(message(400, b"")), SMTP_URL, "mail.hosting.example:2525"),
        ("is silent at the login", _silent_at_the_login, SMTP_URL, "mail.hosting.example:2525"),
        ("breaks off at the login", actors.mail_server("AUTH PLAIN", login=b"421 4.7.0 Try again later"), SMTP_URL,
         "mail.hosting.example:2525"),
    ):  # fmt: skip
        yield Case(
            f"mail server {title}", "v2", "dependencies", mailing(behave, url), Verdict.MAIL_DOWN, THIS_SERVER, "down",
            dependency="mail", named=named,
        )  # fmt: skip


def _encrypted_mail_servers() -> Iterator[Case]:
    for title, dates, named in (
        ("an expired certificate", {"ends": -timedelta(days=1)}, "certificate"),
        ("a certificate of another name", {"names": ("smtp.hosting.example",)}, "certificate"),
        ("a certificate of an unknown authority", {"by": "stranger"}, "certificate"),
    ):
        yield Case(
            f"mail server with {title}", "v2", "dependencies", encrypted_mail(**dates), Verdict.MAIL_DOWN, THIS_SERVER,
            "down", dependency="mail", named=named,
        )  # fmt: skip
    yield Case("mail server that speaks TLS", "v2", "dependencies", encrypted_mail(), OK, NONE)
    well = actors.mail_server("AUTH PLAIN", login=b"235 welcome")
    yield Case("mail server that works", "v2", "dependencies", mail_server({"behave": well}), OK, NONE)
    greets = mailing(actors.greeting, SMTP_URL.replace("okpuja:lab-mail-password@", ""))
    yield Case("mail server without a login", "v2", "dependencies", greets, OK, NONE)


def _brokers() -> Iterator[Case]:
    for title, url, named in (
        ("refuses, redis", f"redis://:lab-broker-password@{BROKER}:6379/1", f"{BROKER}:6379"),
        ("refuses, amqps", f"amqps://okpuja:lab-broker-password@{BROKER}", f"{BROKER}:5671"),
        ("of a cluster refuses", f"amqp://{BROKER}:5671;amqp://{BROKER}:5670", f"{BROKER}:5671"),
    ):
        yield Case(
            f"broker {title}", "v2", "dependencies", _broker_at(url), Verdict.BROKER_DOWN, THIS_SERVER, "down",
            dependency="broker", named=named,
        )  # fmt: skip
    for title, url in (
        ("in memory", "memory://"),
        ("in a folder", "filesystem://"),
        ("of a cluster takes connections", f"amqp://{BROKER}:5670;amqp://{BROKER}:5672"),
    ):
        yield Case(f"broker {title}", "v2", "dependencies", _broker_at(url), OK, NONE)
    yield Case(
        "broker's name unknown", "v2", "dependencies", broker({"told": "NXDOMAIN"}), Verdict.BROKER_DOWN, THIS_SERVER,
        "down", dependency="broker", named=f"{BROKER}:5672",
    )  # fmt: skip
    for title, change in (("refused", {"listens": False}), ("drops packets", {"is_deaf": True})):
        for generation in GENERATIONS:
            yield Case(
                f"broker {title}", generation, "dependencies", broker(change), Verdict.BROKER_DOWN, THIS_SERVER, "down",
                dependency="broker", named="broker.hosting.example:5672",
            )  # fmt: skip


SMTP_URL = f"smtp://okpuja:lab-mail-password@{MAIL}:2525"


def mailing(behave: Behaviour, url: str) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        testbed.sends_mail_by(behave)
        testbed.settings |= mail(url)

    return arrange


def _silent_at_the_login(connection: socket.socket) -> None:
    """It has greeted us before."""
    connection.sendall(b"220 mail\r\n")
    while said := connection.recv(65_536):
        if said.upper().startswith((b"EHLO", b"HELO")):
            connection.sendall(b"250-mail\r\n250 AUTH PLAIN\r\n")


def encrypted_mail(
    names: tuple[str, ...] = (MAIL,), by: str = "public", **dates: timedelta
) -> Callable[[Testbed], None]:
    """smtps://; certificates are compared with the built-in authorities, those of the public ones here."""

    def arrange(testbed: Testbed) -> None:
        welcome = actors.mail_server("AUTH PLAIN", login=b"235 welcome")
        certificate = getattr(testbed, by).issue(*names, **dates)
        testbed.sends_mail_by(actors.secured(certificate, welcome))
        testbed.settings |= mail(SMTP_URL.replace("smtp:", "smtps:"))
        testbed.trusts_public_authorities()

    return arrange


def _broker_at(url: str) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        testbed.has_broker()
        testbed.settings["BROKER_URL"] = url

    return arrange


def mail_server(change: dict[str, object]) -> Callable[[Testbed], None]:
    return lambda testbed: vars(testbed.sends_mail_by(actors.greeting)).update(change)


def broker(change: dict[str, object]) -> Callable[[Testbed], None]:
    return lambda testbed: vars(testbed.has_broker()).update(change)


def _disks() -> Iterator[Case]:
    yield Case(
        "disk full", "v2", "dependencies", full_disk, Verdict.DISK_FULL, THIS_SERVER, "full", dependency="disk",
        named="Make room",
    )  # fmt: skip


def full_disk(testbed: Testbed) -> None:
    """A disk of its own, with room for the database and little else."""
    disk = testbed.folder / "disk"
    disk.mkdir()
    testbed.commands.append(f"mount -t tmpfs -o size=64m tmpfs {disk}")
    testbed.database = "disk/okpuja.sqlite3"


def _caches() -> Iterator[Case]:
    for title, change in (("refused", {"listens": False}), ("drops packets", {"is_deaf": True})):
        yield Case(
            f"cache {title}", "v2", "dependencies", cache(change), Verdict.MISCONFIGURED, THIS_SERVER, "down",
            dependency="cache", named="cache.hosting.example:6379",
            look=with_redis,
        )  # fmt: skip
    yield Case(
        "cache without its table", "v2", "dependencies", nothing, Verdict.MISCONFIGURED, THIS_SERVER, "down",
        dependency="cache", named="createcachetable", look=lambda testbed: testbed.ask_doctor(CACHE_URL="db://no_such_table"),
    )  # fmt: skip


def with_redis(testbed: Testbed) -> Wire:
    return testbed.ask_doctor(CACHE_URL=f"redis://:lab-cache-password@{CACHE}:6379")


def cache(change: dict[str, object]) -> Callable[[Testbed], None]:
    return lambda testbed: vars(testbed.add_host(CACHE, "203.0.113.79", 6379, actors.listen_only)).update(
        change
    )


def _workers() -> Iterator[Case]:
    yield Case(
        "worker stopped", "v2", "dependencies", nothing, Verdict.WORKER_DOWN, THIS_SERVER, "down",
        dependency="worker", named="manage.py work", look=_after_the_worker_was_killed,
    )  # fmt: skip
    yield Case("worker that works", "v2", "dependencies", nothing, OK, NONE, look=_while_the_worker_works)


def _while_the_worker_works(testbed: Testbed) -> Wire:
    worker = _worker(testbed)
    try:
        return testbed.look()
    finally:
        worker.kill()


def _after_the_worker_was_killed(testbed: Testbed) -> Wire:
    _worker(testbed).kill()
    _due(timedelta(minutes=5))
    return testbed.look()


def _worker(testbed: Testbed) -> Process:
    """One that is seen to work: it asks about what is due."""
    attempt = _due(timedelta(minutes=5))
    worker = Process(
        "worker", "manage.py", "work", "--interval", "0.1", environment=testbed.process_environment()
    )
    eventually(
        lambda: PaymentAttempt.objects.get(pk=attempt.pk).next_check_at > timezone.now(), "it was asked about"
    )
    return worker


def _due(since: timedelta) -> PaymentAttempt:
    attempt = make_payment().attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(simulated=False, next_check_at=timezone.now() - since)
    return attempt


def _databases() -> Iterator[Case]:
    mine = functools.partial(
        Case, generation="v2", where="dependencies", culprit=THIS_SERVER, dependency="database"
    )
    yield mine(
        "database older than the code", arrange=nothing, verdict=Verdict.MISCONFIGURED,
        finding="migrations", named="manage.py migrate", look=_older,
    )  # fmt: skip
    yield mine(
        "database's file not writable", arrange=_read_only, verdict=Verdict.DATABASE_DOWN, finding="down",
        named="unable to open", look=lambda testbed: testbed.ask_doctor(DATABASE_URL=f"sqlite:///{testbed.folder}/ro/x.sqlite3"),
    )  # fmt: skip
    for title, change, named in (
        ("database refused", {"listens": False}, "database.hosting.example:5432"),
        ("database drops packets", {"is_deaf": True}, "database.hosting.example:5432"),
        ("database silent", {}, "database.hosting.example:5432"),
        ("database's name unknown", {"told": "NXDOMAIN"}, "database.hosting.example:5432"),
    ):
        yield mine(
            title, arrange=database(change), verdict=Verdict.DATABASE_DOWN, finding="down", named=named,
            look=elsewhere,
        )  # fmt: skip
    for title, look, finding in (
        ("PostgreSQL stopped", _stopped, "down"), ("PostgreSQL frozen", frozen, "down"),
        ("PostgreSQL a standby", _standby, "readonly"),
    ):  # fmt: skip
        yield mine(
            title, arrange=nothing, verdict=Verdict.DATABASE_DOWN, finding=finding,
            named="127.0.0.1:5432", look=look, needs_postgresql=True,
        )  # fmt: skip


ELSEWHERE = f"postgresql://okpuja:lab-database-password@{DATABASE}:5432/okpuja"
HERE = "postgresql://postgres:lab-database-password@127.0.0.1:5432/okpuja"


def elsewhere(testbed: Testbed) -> Wire:
    """The database is on another machine, and the cache in it."""
    return testbed.ask_doctor(DATABASE_URL=ELSEWHERE, CACHE_URL="db://cache")


def _older(testbed: Testbed) -> Wire:
    query(
        f"sqlite:///{testbed.folder / testbed.database}",
        "DELETE FROM django_migrations WHERE app = 'payment'",
    )
    return testbed.ask_doctor()


def _read_only(testbed: Testbed) -> None:
    place = testbed.folder / "ro"
    place.mkdir()
    testbed.commands += [
        f"mount -t tmpfs -o size=512m tmpfs {place}",
        f"cp {Path(str(connection.settings_dict['NAME']))} {place}/x.sqlite3",
        f"mount -o remount,ro {place}",
    ]


def database(change: dict[str, object]) -> Callable[[Testbed], None]:
    return lambda testbed: vars(testbed.add_host(DATABASE, "203.0.113.54", 5432, actors.listen_only)).update(
        change
    )


def postgres(testbed: Testbed, parent: str | None = None) -> Postgres:
    """Within the testbed, with every table and the cache's."""
    return Postgres.start((*FAST, "-h", "127.0.0.1"), parent, Path(os.environ[TEMPLATE]))


def make_postgres_template() -> None:
    """Once, before the cases: each begins with a copy of this data. To migrate takes longer than a case."""
    server, owner = Postgres.start(), os.getpid()
    atexit.register(lambda: os.getpid() == owner and shutil.rmtree(server.folder, ignore_errors=True))
    query(server.url("postgres"), "CREATE DATABASE okpuja")
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    wanted = process_environment(DATABASE_URL=server.url("okpuja"), CACHE_URL="db://cache")
    subprocess.run(migrate, cwd=ROOT, env=wanted, check=True, capture_output=True)
    server.process.send_signal(signal.SIGINT)
    server.process.wait(timeout=30)
    os.environ[TEMPLATE] = str(server.folder / "data")


def _stopped(testbed: Testbed) -> Wire:
    postgres(testbed).stop()
    return testbed.ask_doctor(DATABASE_URL=HERE)


def frozen(testbed: Testbed, ask: Callable[..., Wire] = Testbed.ask_doctor, **environment: str) -> Wire:
    server = postgres(testbed)
    server.process.send_signal(signal.SIGSTOP)
    try:
        return ask(testbed, DATABASE_URL=HERE, **environment)
    finally:
        server.process.kill()


def _standby(testbed: Testbed) -> Wire:
    server = postgres(testbed)
    query(HERE, "ALTER DATABASE okpuja SET default_transaction_read_only = on")
    try:
        return testbed.ask_doctor(DATABASE_URL=HERE)
    finally:
        server.stop()

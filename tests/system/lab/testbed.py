"""The testbed when all is well: PhonePe, hosts that have nothing to do with it, and the settings of an installation."""

import io
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import override_settings

from core.logging import JsonFormatter
from diagnostics import runner
from diagnostics.deadlines import result_cache
from okpuja.environment import mail
from payment.phonepe.credentials import SIMULATED, SIMULATED_V1
from tests.harness import ROOT
from tests.harness.certificates import Authority
from tests.harness.name_server import NameServer
from tests.harness.processes import process_environment
from tests.system.lab import actors, installation
from tests.system.lab.actors import Answer, Behaviour

Wire = dict[str, Any]
SANDBOX = "/apis/pg-sandbox"
SECRETS = {
    "OPS_TOKEN": "lab-ops-token-nobody-may-see",
    "PHONEPE_WEBHOOK_PASSWORD": "lab-webhook-password-9",
    "PHONEPE_WEBHOOK_SECRET": "lab-webhook-secret-nobody-may-see",
}
LOGIN = "okpuja:lab-proxy-password"
PROXY, MAIL, BROKER = "proxy.hosting.example", "mail.hosting.example", "broker.hosting.example"
SHOP, CACHE, DATABASE = "shop.example", "cache.hosting.example", "database.hosting.example"
HIDDEN = (
    "lab-proxy-password",
    "lab-mail-password",
    "lab-broker-password",
    "lab-database-password",
    "lab-cache-password",
)

# A request to the diagnosis, in a process of its own; prints the answer and the milliseconds. It has all that is looked
# up in the database before the diagnosis begins: a login, a session of the admin, an address whose requests count.
REQUEST = """
import json, sys, time
import django
django.setup()
from django.conf import settings
from django.test import Client
from django.urls import reverse
from accounts.sessions import SessionAccess
token, host = sys.argv[1:]
client, address = Client(raise_request_exception=False), reverse("debug-connectivity")
client.cookies[settings.SESSION_COOKIE_NAME] = "0123456789abcdefghijklmnopqrstuv"
login = SessionAccess()
login["sid"] = "00000000-0000-4000-8000-000000000000"
headers = {"X-Ops-Token": token, "Host": host, "Authorization": f"Bearer {login}"}
began = time.monotonic()
answer = client.get(address, secure=True, headers=headers)
print(json.dumps([answer.json(), round((time.monotonic() - began) * 1000)]))
"""


@dataclass
class Host:
    """What listens at one name. Change it before the testbed opens."""

    name: str
    address: str
    port: int = 443
    answer: Answer = actors.phonepe
    certificate: Path | None = None
    behave: Behaviour | None = None  # instead of TLS and HTTP
    lives_here: bool = True
    listens: bool = True
    is_deaf: bool = False
    lost: float = 0.0  # the share of packets that never arrive
    more: tuple[str, ...] = ()  # further addresses, at which nobody lives
    told: Any = None  # by the name server; else where it lives
    listener: socket.socket | None = None

    @property
    def target(self) -> str:
        return f"{self.name}:{self.port}"

    def open(self) -> None:
        if self.lives_here and self.listens:
            place = self.address, self.port
            self.listener = actors.listen(place, self._behaviour(), deaf=self.is_deaf, lost=self.lost)

    def _behaviour(self) -> Behaviour:
        if self.behave:
            return self.behave
        assert self.certificate, f"{self.name} has no certificate"
        return actors.secured(self.certificate, actors.answering(self.answer))


@dataclass
class Testbed:
    folder: Path
    generation: str
    hosts: dict[str, Host] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)  # for the shell, when the testbed is there
    database: str = "okpuja.sqlite3"
    milliseconds: int = 0  # that the look took
    name_server_seconds: float = 0.0  # that the name server takes for each answer
    slow_names: dict[str, float] = field(default_factory=dict)  # the same for one name, or one kind of record
    other_names: str = "NXDOMAIN"  # what the name server says about all other names
    silent_name_servers: tuple[str, ...] = ()
    said: io.StringIO = field(default_factory=io.StringIO)  # the log

    def __post_init__(self) -> None:
        self.public = self.authority("public", "DigiCert Inc")  # of those that the world trusts
        self.trusted = self.authority("trusted")  # of the network, and this server trusts it
        self.stranger = self.authority("stranger")
        bundle = self.folder / "trusted.pem"
        bundle.write_bytes(self.public.bundle.read_bytes() + self.trusted.bundle.read_bytes())
        self.files[installation.PUBLIC_AUTHORITIES] = self.public.bundle.read_text()
        self.first = self._host("api-preprod.phonepe.com", "198.51.100.1")
        self.second = self._host("api-preprod-2.phonepe.com", "198.51.100.2")
        self.sibling = self._host("api.phonepe.com", "198.51.100.3")
        self.controls = [
            self._host("one.one.one.one", "192.0.2.1", actors.control),
            self._host("www.google.com", "192.0.2.2", actors.control),
        ]
        self.settings |= (
            SECRETS
            | self._credentials()
            | {
                "PHONEPE_SIMULATION_MODE": False,
                "PHONEPE_ENV": "UAT",
                "PHONEPE_API_VERSION": self.generation,
                "PHONEPE_MAX_RETRIES": 0,
                "PHONEPE_CA_BUNDLE": str(bundle),
                "PHONEPE_WEBHOOK_USERNAME": "okpuja-hook",
                "PHONEPE_FALLBACK_BASE_URLS": [f"https://{self.second.name}{SANDBOX}"],
                "DIAGNOSIS_CONTROL_URLS": [f"https://{each.name}/" for each in self.controls],
                "DIAGNOSIS_CA_BUNDLE": str(bundle),
                "PUBLIC_BASE_URL": "http://127.0.0.1:8000",
                "ALLOWED_HOSTS": [SHOP],
            }
        )

    @property
    def endpoints(self) -> tuple[Host, Host]:
        return self.first, self.second

    @property
    def phonepes(self) -> tuple[Host, ...]:
        return (*self.endpoints, self.sibling)

    @property
    def everybody(self) -> tuple[Host, ...]:
        return (*self.phonepes, *self.controls)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Whatever nobody may read in an answer."""
        mine = (*SECRETS, "SECRET_KEY", "PHONEPE_SALT_KEY", "PHONEPE_CLIENT_SECRET")
        return (*filter(None, (getattr(settings, name) for name in mine)), *HIDDEN)

    def add_host(self, name: str, address: str, port: int, behave: Behaviour | None) -> Host:
        """Somebody of our own network: a proxy, a mail server."""
        host = self._host(name, address)
        host.port, host.behave = port, behave
        return host

    def uses_proxy(self, behave: Behaviour, login: str = LOGIN) -> Host:
        self.settings["PHONEPE_PROXY_URL"] = f"http://{login}@{PROXY}:3128"
        return self.add_host(PROXY, "203.0.113.8", 3128, behave)

    def trusts_public_authorities(self) -> None:
        """Also where no setting names a file of authorities: mail and whatever else uses the system's."""
        os.environ["SSL_CERT_FILE"] = str(self.public.bundle)

    def sends_mail_by(self, behave: Behaviour) -> Host:
        self.settings |= mail(f"smtp://okpuja:lab-mail-password@{MAIL}:2525")
        return self.add_host(MAIL, "203.0.113.25", 2525, behave)

    def has_broker(self) -> Host:
        self.settings["BROKER_URL"] = f"amqp://okpuja:lab-broker-password@{BROKER}:5672//"
        return self.add_host(BROKER, "203.0.113.72", 5672, actors.listen_only)

    def open(self, database: Path) -> None:
        """Everybody moves in; this process sees nothing else from now on."""
        here = [host.address for host in self.hosts.values() if host.lives_here]
        here += self.silent_name_servers
        installation.enter(self.folder, here, self.commands, self.files)
        for host in self.hosts.values():
            host.open()
        self._start_name_server()
        mine = self.folder / self.database
        shutil.copy(database, mine)
        connections["default"].settings_dict["NAME"] = str(mine)
        connections.settings["default"]["NAME"] = str(mine)
        override_settings(**self.settings).enable()  # what has parsed the settings hears of it
        logging.getLogger().handlers = [self._ear()]

    def look(self) -> Wire:
        """One diagnosis, with its deadline and its row in the history."""
        result_cache.own.clear()
        began = time.monotonic()
        found = runner.diagnose()
        self.milliseconds = round((time.monotonic() - began) * 1000)
        return json.loads(json.dumps(found.as_json(), default=str))

    def ask_doctor(self, prefix: tuple[str, ...] = (), **environment: Any) -> Wire:
        """The same, by a process of its own, whose start does not count. `prefix`: the program that starts it."""
        made = subprocess.run(
            [*prefix, sys.executable, "manage.py", "doctor", "--json"],
            cwd=ROOT, env=self.process_environment(**environment), capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.said.write(made.stderr)
        assert made.stdout, made.stderr
        found = json.loads(made.stdout)
        self.milliseconds = found["took_ms"]
        return found

    def ask_page(self, **environment: Any) -> Wire:
        """The same by HTTP, with everything that a request does before and after."""
        environment = self.process_environment(DJANGO_SETTINGS_MODULE="okpuja.settings", **environment)
        made = subprocess.run(
            [sys.executable, "-c", REQUEST, SECRETS["OPS_TOKEN"], SHOP],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.said.write(made.stderr)
        assert made.stdout, made.stderr
        found, self.milliseconds = json.loads(made.stdout)
        return dict(found)

    def process_environment(self, **environment: Any) -> dict[str, str]:
        told = {
            name: _as_text(value) for name, value in self.settings.items() if not name.startswith("EMAIL_")
        }
        database = f"sqlite:///{self.folder / self.database}"
        mine = {"DATABASE_URL": database, "CACHE_URL": "locmem://lab", "LOG_LEVEL": "INFO"}
        return process_environment(**told | mine | environment)

    def _ear(self) -> logging.Handler:
        ear = logging.StreamHandler(self.said)
        ear.setFormatter(JsonFormatter())
        return ear

    def _start_name_server(self) -> None:
        names = NameServer((installation.NAME_SERVER, 53))
        for host in self.hosts.values():
            where = [host.address, *host.more]
            names.known[host.name] = where if host.told is None else host.told
        names.seconds, names.slow, names.otherwise = (
            self.name_server_seconds,
            self.slow_names,
            self.other_names,
        )
        names.start()
        for address in self.silent_name_servers:
            silent = NameServer((address, 53))
            silent.otherwise = "silence"
            silent.start()

    def _host(self, name: str, address: str, answer: Answer = actors.phonepe) -> Host:
        host = self.hosts[name] = Host(name, address, answer=answer, certificate=self.public.issue(name))
        return host

    def authority(self, name: str, organisation: str = "", above: Authority | None = None) -> Authority:
        folder = self.folder / name
        folder.mkdir()
        return Authority(folder, name, organisation, above)

    def _credentials(self) -> dict[str, Any]:
        known = SIMULATED_V1 if self.generation == "v1" else SIMULATED
        names = ("merchant_id", "salt_key", "client_id", "client_secret")
        return {f"PHONEPE_{name.upper()}": known.get(name, "") for name in names}


def _as_text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def layers(found: Wire, host: Host) -> Iterator[Wire]:
    """Those of the endpoint at `host`."""
    for endpoint in found["endpoints"]:
        if endpoint["target"] == host.target:
            yield from endpoint["ladder"]

"""Real brokers for Celery, Redis (or Valkey) and RabbitMQ: killed, emptied, cut off and started again.

Clients reach them through a forwarder, so that the network between them can be broken, too.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import kombu
import pytest
import redis
from kombu.exceptions import OperationalError

from tests.harness.forwarder import Forwarder, free_port

REDIS_SERVER = shutil.which("valkey-server") or shutil.which("redis-server")
# Not what Debian has in PATH: as root, that one gives up the environment.
RABBITMQ_SERVER = shutil.which("/usr/lib/rabbitmq/bin/rabbitmq-server") or shutil.which("rabbitmq-server")
SECONDS_TO_START = 90  # of RabbitMQ on a loaded machine


class Broker:
    """Keeps its port when it is killed and started again. `space` separates the installations that share it."""

    is_installed: ClassVar[bool]
    spaces: ClassVar = ("0", "1")

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="okpuja-broker-"))
        self.port = free_port()
        self.network = Forwarder([("127.0.0.1", self.port)])
        self._process: subprocess.Popen | None = None
        self.start()
        self._wait_until_it_answers()

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()
        self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, space: str = "0") -> str:
        """Of the forwarder: the way that can be broken."""
        raise NotImplementedError

    def start(self) -> None:
        """Returns at once: clients find out by themselves when it answers."""
        self.kill()
        arguments, environment = self._command()
        self._process = subprocess.Popen(
            arguments,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """With everything that it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def empty(self) -> None:
        raise NotImplementedError

    def _command(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end:
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError("the broker did not start")


class Redis(Broker):
    """Keeps nothing but its port: after a kill it is empty. A space is one of its databases."""

    is_installed = REDIS_SERVER is not None

    def url(self, space: str = "0") -> str:
        return f"{self.network.url.replace('http:', 'redis:')}/{space}"

    def empty(self) -> None:
        with contextlib.suppress(redis.exceptions.RedisError):
            self._client().flushall()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        options = ["--port", f"{self.port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        return [str(REDIS_SERVER), *options], dict(os.environ)

    def _answers(self) -> bool:
        try:
            return bool(self._client().ping())
        except redis.exceptions.ConnectionError:
            return False

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_connect_timeout=1, socket_timeout=2)


class RabbitMQ(Broker):
    """A node of its own, with its own epmd: it touches no other RabbitMQ of this machine. A space is a vhost."""

    is_installed = RABBITMQ_SERVER is not None

    def __init__(self) -> None:
        self._dist_port, self._epmd_port = free_port(), free_port()
        super().__init__()

    def __exit__(self, *failure: object) -> None:
        super().__exit__(*failure)
        if epmd := shutil.which("epmd"):
            subprocess.run(
                [epmd, "-port", f"{self._epmd_port}", "-kill"], check=False, stdout=subprocess.DEVNULL
            )

    def url(self, space: str = "0") -> str:
        return f"{self.network.url.replace('http://', 'amqp://guest:guest@')}/{space}"

    def empty(self) -> None:
        for space in self.spaces:
            with (
                contextlib.suppress(OperationalError, OSError),
                kombu.Connection(self._own_url(space), connect_timeout=2) as connection,
            ):
                channel = connection.default_channel
                channel.queue_declare("okpuja", durable=True, auto_delete=False)
                channel.queue_purge("okpuja")

    def _own_url(self, space: str) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{space}"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [{"name": "guest", "password": "guest", "tags": ""}],
            "vhosts": [{"name": space} for space in self.spaces],
            "permissions": [{"user": "guest", "vhost": space, **everything} for space in self.spaces],
        }
        (self.folder / "definitions.json").write_text(json.dumps(definitions))
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\nload_definitions = {self.folder}/definitions.json\n"
        )
        own = {
            "HOME": f"{self.folder}",  # of the cookie
            "ERL_EPMD_PORT": f"{self._epmd_port}",
            "RABBITMQ_NODENAME": f"okpuja{self.port}@localhost",
            "RABBITMQ_DIST_PORT": f"{self._dist_port}",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_PID_FILE": f"{self.folder}/pid",
        }
        return [str(RABBITMQ_SERVER)], {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **own}

    def _answers(self) -> bool:
        try:
            with kombu.Connection(self._own_url(self.spaces[0]), connect_timeout=1) as connection:
                return bool(connection.connect())
        except (OperationalError, OSError):
            return False


BROKERS: dict[str, type[Broker]] = {"redis": Redis, "rabbitmq": RabbitMQ}


def needs_broker(name: str) -> pytest.MarkDecorator:
    reason = f"NOT CHECKED: no {name}-server (Debian: apt-get install {name}-server)"
    return pytest.mark.skipif(not BROKERS[name].is_installed, reason=reason)

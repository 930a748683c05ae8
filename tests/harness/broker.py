"""A real Redis (or Valkey) as Celery's broker: killed, emptied and started again."""

import contextlib
import shutil
import subprocess
import time

import pytest
import redis

from tests.harness.forwarder import free_port

SERVER = shutil.which("valkey-server") or shutil.which("redis-server")
needs_broker = pytest.mark.skipif(
    SERVER is None,
    reason="NOT CHECKED: no redis-server and no valkey-server (Debian: apt-get install redis-server)",
)


class Broker:
    """Keeps its port, and nothing else: after a kill it is empty."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen | None = None
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, *failure: object) -> None:
        self.kill()

    def start(self) -> None:
        self.kill()
        arguments = ["--port", f"{self.port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(SERVER), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with contextlib.suppress(redis.exceptions.ConnectionError):
                if self._client().ping():
                    return
            time.sleep(0.05)
        raise AssertionError("the broker did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def empty(self) -> None:
        with contextlib.suppress(redis.exceptions.RedisError):
            self._client().flushall()

    def _client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_connect_timeout=1, socket_timeout=2)

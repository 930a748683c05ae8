"""Redis goes away: nothing goes with it, and it is named."""

import json
import logging
import socket

import pytest

from core import cache
from core.cache import SharedCache
from core.logging import JsonFormatter
from tests.harness.network import refusing_port


@pytest.fixture
def refusing():
    return SharedCache(f"redis://:a-pass-word@127.0.0.1:{refusing_port()}/0", {})


def test_while_redis_refuses_each_process_remembers_by_itself(refusing):
    refusing.set("a", 1, 60)

    assert refusing.get("a") == 1
    assert refusing.add("a", 2, 60) is False
    assert refusing.incr("a") == 2
    assert refusing.touch("a", 60)
    assert refusing.delete("a")
    assert refusing.get("a", "nothing") == "nothing"


def test_a_silent_redis_is_waited_for_once(monkeypatch):
    monkeypatch.setattr(cache, "TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silence:
        address = f"redis://127.0.0.1:{silence.getsockname()[1]}/0"
        SharedCache(address, {}).set("a", 1)
        SharedCache(address, {}).get("a")  # as another thread: Django makes a cache for each
        silence.settimeout(0)
        silence.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody else has connected
            silence.accept()


def test_the_log_names_the_cache_its_host_and_port_and_no_password(refusing, caplog):
    with caplog.at_level(logging.ERROR):
        refusing.get("a")

    line = JsonFormatter().format(caplog.records[-1])
    said = json.loads(line)
    assert (said["hop"], said["host"], said["port"]) == ("cache", "127.0.0.1", refusing.port)
    assert "a-pass-word" not in line


def test_redis_is_tried_again_after_a_rest(refusing, monkeypatch, caplog):
    refusing.get("a")
    monkeypatch.setattr(SharedCache, "_retry_at", {})
    caplog.clear()

    refusing.get("a")

    assert caplog.messages == ["the cache does not answer"]

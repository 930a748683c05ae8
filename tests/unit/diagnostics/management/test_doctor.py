import io
import json
import os
import socket
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from diagnostics.deadlines import result_cache
from payment.models import DiagnosisRun
from tests.harness import ROOT
from tests.harness.environment import WANTED
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def nothing_remembered():
    result_cache.own.clear()


@pytest.fixture
def phonepe_at(settings):
    def at(port):
        settings.PHONEPE_SIMULATION_MODE = False
        settings.PHONEPE_API_VERSION = "v1"
        settings.PHONEPE_MAX_RETRIES = 0
        settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = (
            "MERCHANTOKPUJA",
            "a-salt-key-nobody-may-see",
        )
        settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{port}/apis/pg-sandbox"
        settings.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{port}"]

    return at


def ask(*arguments):
    """What it says, and the code it ends with."""
    out = io.StringIO()
    try:
        call_command("doctor", *arguments, stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def at_a_terminal(*arguments, **environment):
    """`manage.py doctor` as a process of its own."""
    command = [sys.executable, "manage.py", "doctor", *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**WANTED, "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_ends_with_zero_when_phonepe_is_reached_and_knows_us(phonepe_at):
    with FakePhonePe() as server:
        phonepe_at(server.port)
        said, code = ask()

    assert code == 0
    assert "PhonePe is reached and accepts our credentials." in said


def test_it_ends_with_one_and_names_fault_and_culprit(phonepe_at):
    port = refusing_port()
    phonepe_at(port)
    said, code = ask()

    assert code == 1
    assert "Must act:" in said
    assert f"127.0.0.1:{port}" in said


def test_a_simulated_phonepe_must_answer_too():
    said, code = ask("--json")

    found = json.loads(said)
    assert (code, found["verdict"]) == (0, "simulated")
    assert [check["ok"] for check in found["checks"] if check["layer"] == "contract"] == [True]


def test_json_contains_the_whole_diagnosis(phonepe_at):
    phonepe_at(refusing_port())
    said, code = ask("--json")

    found = json.loads(said)
    assert (code, found["success"], found["verdict"]) == (1, False, "connection_refused")
    assert {"checks", "dependencies", "support_message", "next_action"} <= found.keys()
    assert "a-salt-key-nobody-may-see" not in said


def test_the_support_message_can_be_printed_alone(phonepe_at):
    phonepe_at(refusing_port())
    said, _ = ask("--support-message")

    assert said.startswith("To: ")
    assert "Connection refused" in said


def test_when_nobody_has_to_act_there_is_no_message():
    assert ask("--support-message")[0].strip() == "Nobody has to act."


def test_one_dependency_can_be_checked_alone(phonepe_at):
    phonepe_at(refusing_port())
    said, code = ask("--only", "database")

    assert code == 0
    assert said.startswith("+ database")
    assert ask("--only", "database", "tcp")[1] == 1


def test_an_unknown_name_is_refused_with_the_names_that_exist():
    with pytest.raises(CommandError, match="database"):
        ask("--only", "kafka")


def test_a_layer_that_was_not_reached_is_neither_an_unknown_name_nor_a_success(phonepe_at):
    phonepe_at(refusing_port())
    said, code = ask("--only", "tls", "contract")

    assert code == 1
    assert "- tls" in said
    assert "not reached" in said


def test_a_run_is_saved_as_made_by_the_command():
    ask()
    assert DiagnosisRun.objects.get().asked_by == DiagnosisRun.AskedBy.COMMAND


@pytest.mark.sockets
def test_a_database_that_is_down_is_named_within_ten_seconds_and_phonepe_is_not_blamed():
    port = refusing_port()
    ended = at_a_terminal(
        "--json", DATABASE_URL=f"postgresql://okpuja:the-database-password@127.0.0.1:{port}/shop"
    )

    found = json.loads(ended.stdout)
    assert (ended.returncode, found["verdict"], found["culprit"]) == (1, "database_down", "this_server")
    assert f"127.0.0.1:{port}" in found["next_action"]
    assert "PhonePe has nothing to do with it" in found["summary"]
    assert "the-database-password" not in ended.stdout + ended.stderr
    assert found["took_ms"] <= 10_000


@pytest.mark.sockets
def test_a_silent_database_is_named_within_ten_seconds():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        ended = at_a_terminal("--json", DATABASE_URL=f"postgresql://okpuja:x@{address}/shop")

    found = json.loads(ended.stdout)
    assert (ended.returncode, found["verdict"]) == (1, "database_down")
    assert address in found["next_action"]
    assert found["took_ms"] <= 10_000


def test_a_password_in_an_invalid_setting_is_not_printed():
    ended = at_a_terminal(
        PHONEPE_SIMULATION_MODE="False",
        PHONEPE_CLIENT_ID="client",
        PHONEPE_CLIENT_SECRET="secret-of-the-client",
        PHONEPE_BASE_URL="https://user:tiger/paw@mercury.phonepe.com",
    )

    assert ended.returncode == 1
    assert "mercury.phonepe.com' is not a base URL" in ended.stderr
    for secret in ("tiger", "secret-of-the-client"):
        assert secret not in ended.stdout + ended.stderr

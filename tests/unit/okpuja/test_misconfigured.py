"""The server does not start: whoever asks why is told which setting is wrong, without a stack."""

import json
import os
import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.environment import WANTED

pytestmark = pytest.mark.slow  # starts processes


def manage(*arguments, **changes):
    return run("manage.py", *arguments, **changes)


def run(*arguments, **changes):
    environment = {
        **WANTED,
        "PATH": os.environ["PATH"],
        "DATABASE_URL": "sqlite:////nowhere/x.sqlite3",
    } | changes
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.proof(every=5)
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"DEBUG": "perhaps"}, "DEBUG must be True or False"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must be like postgresql://"),
        ({"DATABASE_REPLICA_URL": "nonsense"}, "DATABASE_REPLICA_URL must be like postgresql://"),
        ({"PHONEPE_ENV": "PRODUCTION"}, "PHONEPE_SIMULATION_MODE is on"),
    ],
)
def test_the_doctor_names_the_setting_that_keeps_everything_from_starting(changes, named):
    told = manage("doctor", **changes)

    assert told.returncode == 1
    assert "misconfigured" in told.stderr
    assert named in told.stderr
    assert "Traceback" not in told.stderr


def test_machines_get_the_same_as_json():
    told = manage("doctor", "--json", PHONEPE_ENV="LIVE")

    said = json.loads(told.stdout)
    assert (told.returncode, said["success"], said["verdict"], said["culprit"]) == (
        1,
        False,
        "misconfigured",
        "configuration",
    )
    assert "PHONEPE_ENV must be one of" in said["next_action"]


def test_no_password_of_an_address_is_shown():
    told = manage(
        "doctor",
        PHONEPE_SIMULATION_MODE="False",
        PHONEPE_CLIENT_ID="client",
        PHONEPE_CLIENT_SECRET="secret-of-the-client",
        PHONEPE_BASE_URL="https://user:pass-word@mercury.phonepe.com",
    )

    assert told.returncode == 1
    assert "misconfigured" in told.stderr
    assert "pass-word" not in told.stderr + told.stdout
    assert "secret-of-the-client" not in told.stderr + told.stdout


def test_a_server_started_by_hand_names_the_setting_too_and_does_not_try_again():
    told = run("-m", "gunicorn", "okpuja.wsgi", "--bind", "127.0.0.1:0", "--no-control-socket", SECRET_KEY="")

    assert told.returncode == 4
    assert told.stderr.count("SECRET_KEY is not set") == 1
    assert "Traceback" not in told.stderr

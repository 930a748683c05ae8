"""Commands in a second terminal know the address of the server that `make run PORT=…` has started."""

import os
import subprocess
import sys

import pytest

from okpuja.serving_address import read_address, save_address
from tests.harness import ROOT

pytestmark = pytest.mark.slow  # starts processes

LOADED = "from django.conf import settings; settings.DEBUG"  # .env, too
SERVE_ON_9123 = "from okpuja.serving_address import publish_address; print(publish_address(9123))"
SHOW = "print(settings.PUBLIC_BASE_URL)"


@pytest.fixture
def run(tmp_path):
    """Runs code in a process of its own, with the .env of one installation."""
    dotenv = tmp_path / ".env"

    def run(code: str, dotenv_text: str = "", **environment: str) -> str:
        dotenv.write_text(dotenv_text)
        fixed = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "okpuja.settings"}
        fixed |= {"SECRET_KEY": "x" * 50, "DOTENV_FILE": str(dotenv)}
        done = subprocess.run(
            [sys.executable, "-c", f"{LOADED}; {code}"],
            cwd=ROOT,
            env=fixed | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return run


def test_another_command_knows_the_port_of_the_server(run):
    assert run(SHOW) == "http://127.0.0.1:8000"
    assert run(SERVE_ON_9123) == "http://127.0.0.1:9123"
    assert run(SHOW) == "http://127.0.0.1:9123"


def test_an_address_in_the_environment_wins(run):
    assert run(SERVE_ON_9123, PUBLIC_BASE_URL="https://shop.example") == "https://shop.example"
    assert run(SHOW) == "http://127.0.0.1:8000"


def test_an_address_in_dotenv_wins(run):
    chosen = "PUBLIC_BASE_URL=https://shop.example\n"
    run(SERVE_ON_9123)
    assert run(SERVE_ON_9123, chosen) == "https://shop.example"
    assert run(SHOW, chosen) == "https://shop.example"


def test_a_folder_that_cannot_be_written_to_does_not_stop_the_server(tmp_path, caplog):
    file = tmp_path / "missing" / ".serving-address"
    save_address(file, "http://127.0.0.1:9123")

    assert read_address(file) == ""
    assert "could not be saved" in caplog.text

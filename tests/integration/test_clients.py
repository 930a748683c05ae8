"""The generated Python client books a puja from the cart and from a server. `make clients` generates it."""

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.databases import PASSWORD
from tests.harness.installation import Installation

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

CLIENTS = ROOT / "clients"
PYTHON = CLIENTS / ".tools" / "bin" / "python"


@pytest.mark.skipif(not PYTHON.exists(), reason="NO CLIENTS: `make clients` generates them and their tools")
def test_the_python_client_books_from_the_cart_and_from_a_server():
    with Installation() as shop:
        server = shop.serve()
        scopes = [f"--scope={scope}" for scope in ("bookings:read", "bookings:write")]
        made = subprocess.run(
            [sys.executable, "manage.py", "api_key", "create", "tried", *scopes],
            cwd=ROOT,
            env=shop.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        tried = subprocess.run(
            [
                PYTHON,
                CLIENTS / "try_client.py",
                server.url,
                "devotee@example.com",
                PASSWORD,
                made.stdout.strip(),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert tried.returncode == 0, tried.stderr[-2000:]
    assert [line.split(":")[0] for line in tried.stdout.splitlines()] == ["customer", "server"]

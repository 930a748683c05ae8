"""The generated Python client books a puja; `make clients` writes it, and the collection for Bruno."""

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.databases import PASSWORD
from tests.harness.installation import Installation
from tools.client_schema import client_schema, write_bruno

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


def test_the_collection_for_bruno_is_that_of_the_api(tmp_path):
    write_bruno(client_schema(), tmp_path / "bruno")
    written, kept = (
        {
            f"{file.relative_to(folder)}": file.read_text()
            for file in sorted(folder.rglob("*"))
            if file.is_file()
        }
        for folder in (tmp_path / "bruno", CLIENTS / "bruno")
    )

    assert [name for name in written | kept if written.get(name) != kept.get(name)] == [], (
        "run `make clients`"
    )

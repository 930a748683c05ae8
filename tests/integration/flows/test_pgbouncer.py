"""The product behind pgbouncer in transaction mode: each transaction may get another connection."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.harness.customers import arrive, pay
from tests.harness.databases import migrated_database, query
from tests.harness.forwarder import free_port
from tests.harness.installation import WEBHOOK, Installation
from tests.harness.processes import Simulator, eventually

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
pytestmark = [
    *(pytest.mark.sockets, pytest.mark.only_postgresql),
    pytest.mark.skipif(
        PGBOUNCER is None, reason="NOT CHECKED: no pgbouncer (Debian: apt-get install pgbouncer)"
    ),
]


@contextlib.contextmanager
def pgbouncer(folder, database_url):
    """In front of this database, as docs/scaling.md sets it up; the URL of the database behind it."""
    host, _, name = database_url.partition("@")[2].partition("/")
    port = free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{name} = host={unquote(host)} dbname={name} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 4\n"
        "ignore_startup_parameters = options,extra_float_digits\n"
    )
    folder.chmod(0o711)  # pgbouncer refuses to be root, as PostgreSQL does
    for file in folder.iterdir():
        file.chmod(0o644)
    is_root = os.geteuid() == 0
    as_nobody = (
        {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []} if is_root else {}
    )
    process = subprocess.Popen(
        [str(PGBOUNCER), folder / "pgbouncer.ini"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_nobody,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"postgresql://postgres@127.0.0.1:{port}/{name}"
    finally:
        process.terminate()
        process.wait()


def test_people_pay_through_a_pooler_and_the_worker_finds_what_nobody_reports():
    with migrated_database() as direct, contextlib.ExitStack() as stack:
        for limit in ("lock_timeout = '3s'", "statement_timeout = '15s'"):
            query(direct, f"ALTER DATABASE {direct.rpartition('/')[2]} SET {limit}")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="okpuja-pooler-")))
        url = stack.enter_context(pgbouncer(folder, direct))
        phonepe = stack.enter_context(Simulator())
        shop = stack.enter_context(
            Installation(
                database_url=url,
                customers=3,
                PHONEPE_API_VERSION="v2",
                PHONEPE_BASE_URL=phonepe.base_url,
                PAYMENT_TIME_SCALE=20,
            )
        )
        phonepe.send_webhooks_to(shop.url + WEBHOOK)
        shop.serve()
        worker = shop.work()
        started = shop.customer(0).start()
        arrive(pay(started["payment_url"]))
        phonepe.inject_fault("webhook", "drop")
        left = shop.customer(1).start()
        pay(left["payment_url"])

        booked = "SELECT count(*) FROM payment_payment WHERE fulfilment = 'BOOKED'"
        eventually(lambda: query(direct, booked)[0][0] == 2, "both are booked")
        assert "is there a pooler in transaction mode?" in worker.output
        for output in (worker.output, shop.servers[0].output):
            assert "Traceback" not in output
            assert "prepared statement" not in output
        assert query(url, "SELECT count(*) FROM pg_prepared_statements") == [(0,)]

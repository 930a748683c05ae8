"""Backup → destroy → restore into a second database → ledger_check, on real processes.

    make restore-drill

People pay, one is refunded; a backup is made. Then servers and workers are killed, the database and the private files
are destroyed, and the backup is restored into a new database. The ledger must balance there, the sums must be those of
the backup, and a server over it must show a customer their booking. Ends with 0 only then.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.harness import ROOT, environment
from tests.harness.customers import Customer, arrive, pay
from tests.harness.databases import ON_POSTGRESQL, empty_database, query, url_of
from tests.harness.installation import start_installation
from tests.harness.processes import eventually

KEY = "a-key-for-the-drill-that-is-long-enough-0123456789"
SUMS = "SELECT count(*), coalesce(sum(amount_paise), 0) FROM payment_ledgerentry"


def drill(folder: Path) -> None:
    uploads = folder / "uploads"
    uploads.mkdir()
    (uploads / "face.jpg").write_bytes(b"a face")
    settings = {"BACKUP_DIR": folder / "backups", "BACKUP_KEY": KEY, "UPLOADS_DIR": uploads}
    with start_installation("v2", workers=1, PAYMENT_TIME_SCALE=20, **settings) as shop:
        paid = [book(shop, number) for number in range(3)]
        refund = shop.staff.post(f"payments/payments/{paid[2]}/refund/", {"reason": "the drill"})
        assert refund.status_code == 201, refund.text
        # Else PhonePe may have given back what our ledger does not know yet: the simulated one is in the same database.
        completed = "SELECT count(*) FROM payment_refund WHERE state = 'COMPLETED'"
        eventually(lambda: int(query(shop.database_url, completed)[0][0]) == 1, "the money is back")
        began = time.monotonic()
        say("backup", command(shop.environment, "backup"))
        say(f"         {time.monotonic() - began:.1f} s")
        before = [tuple(map(int, row)) for row in query(shop.database_url, SUMS)]
        for process in (*shop.workers, *shop.servers):
            process.kill()
        destroy(shop.database_url, uploads)
        say("destroy", "the database and the private files are gone")
        with empty_database() as url:
            again = shop.environment | {"DATABASE_URL": url, "UPLOADS_DIR": str(folder / "restored")}
            began = time.monotonic()
            say("restore", command(again, "restore"))
            say(f"         {time.monotonic() - began:.1f} s")
            assert [tuple(map(int, row)) for row in query(url, SUMS)] == before
            assert (folder / "restored/face.jpg").read_bytes() == b"a face"
            say("migrate", command(again, "migrate", "--check") or "nothing to migrate")
            say("ledger", command(again, "ledger_check"))
            shop.environment = again
            server = shop.serve()
            customer = Customer([server.url], shop.tokens.customers[0])
            bookings = eventually(lambda: customer.get("booking/bookings/"), "the server answers")
            say("server", f"a customer finds {bookings[0]['book_id']}")
            server.kill()


def book(shop, number: int) -> int:
    started = shop.customer(number).start()
    arrive(pay(started["payment_url"]))
    eventually(lambda: shop.customer(number).get("booking/bookings/"), "the payment is booked")
    return started["payment_id"]


def destroy(database_url: str, uploads: Path) -> None:
    if ON_POSTGRESQL:
        name = database_url.rpartition("/")[2]
        query(url_of("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
        query(url_of("postgres"), f"CREATE DATABASE {name}")  # empty: the harness drops it at the end
    else:
        for file in Path(database_url.removeprefix("sqlite:///")).parent.glob("*.sqlite3*"):
            file.unlink()
    shutil.rmtree(uploads)


def command(settings: dict[str, str], *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout.strip()


def say(what: str, more: str = "") -> None:
    sys.stdout.write(f"{what:8} {more}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        with tempfile.TemporaryDirectory(prefix="okpuja-drill-") as place:
            drill(Path(place))
        say("OK", "the restored installation is the one that was backed up")
    finally:
        environment.end()

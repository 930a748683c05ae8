"""What this process itself has too little of is nobody else's fault: open files, threads, room for files."""

import contextlib
import os
import resource
import threading
from types import SimpleNamespace

import pytest

from diagnostics import dependencies
from diagnostics.deadlines import begin, result
from diagnostics.dependencies import judge_under_load
from diagnostics.enums import Culprit, Verdict
from diagnostics.load import Load, LoadMeter
from diagnostics.verdicts import conclude
from payment.phonepe.transport import Deadline
from tests.harness.processes import eventually
from tests.unit.diagnostics.test_rules import control, evidence, failing, probe

WITHOUT_FILES = Load(5.0, 0.0, 0.1, 0, "this process may have 64 open files, and had none left")


@pytest.fixture
def no_more_threads(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_a_task_without_a_thread_has_not_come_back(no_more_threads):
    meter = LoadMeter()
    with pytest.raises(TimeoutError):
        result(begin(lambda: 1, Deadline(1)), Deadline(1))
    assert "a thread could not be started" in meter.read().exhausted


def test_a_process_without_free_files_is_seen():
    """The limit of this process is what it has open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    meter = LoadMeter()
    taken = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    fillers = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken, hard))
        with contextlib.suppress(OSError):  # too many open files
            while True:
                fillers.append(os.open(os.devnull, os.O_RDONLY))
        eventually(lambda: meter.read().exhausted, "the meter has no file either")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for filler in fillers:
            os.close(filler)
        meter.stop()
    assert meter.read().is_heavy


@pytest.mark.parametrize(
    "verdict",
    [Verdict.CONNECTION_REFUSED, Verdict.CONNECTION_RESET, Verdict.DNS_FAILURE, Verdict.TLS_UNTRUSTED],
)
def test_without_free_files_no_failure_accuses_anybody(verdict):
    checks = judge_under_load(failing("database", "down") | failing("mail", "down"), WITHOUT_FILES)
    found = evidence(
        probe(verdict=verdict), other_host=control(verdict), dependencies=checks, load=WITHOUT_FILES
    )
    [concluded] = conclude(found)
    assert (concluded.verdict, concluded.culprit) == (Verdict.SERVER_OVERLOADED, Culprit.THIS_SERVER)
    assert "64 open files" in concluded.next_action


def test_without_free_files_a_failed_database_alone_is_not_the_databases_fault():
    checks = judge_under_load(failing("database", "down"), WITHOUT_FILES)
    [concluded] = conclude(evidence(dependencies=checks, load=WITHOUT_FILES))
    assert concluded.verdict is Verdict.SERVER_OVERLOADED


def statvfs(free_mib, inodes=1_000, free_inodes=10):
    return SimpleNamespace(f_bavail=free_mib, f_frsize=1024**2, f_files=inodes, f_favail=free_inodes)


@pytest.mark.parametrize(
    ("at_temporary", "elsewhere", "fault", "said"),
    [
        (statvfs(0), statvfs(900), "full", "0 MiB are free"),
        (statvfs(30), statvfs(900), "", "MiB are free"),
        (statvfs(30, free_inodes=0), statvfs(900), "full", "inodes"),
        (statvfs(30, inodes=0, free_inodes=0), statvfs(900), "", "MiB are free"),
        (statvfs(900), statvfs(900, free_inodes=0), "full", "inodes"),
        (statvfs(900), statvfs(200), "full", "200 MiB are free"),
    ],
)
def test_room_for_temporary_files_and_for_names_is_checked(
    monkeypatch, tmp_path, at_temporary, elsewhere, fault, said
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(
        os, "statvfs", lambda folder: at_temporary if str(folder) == str(tmp_path) else elsewhere
    )
    check = dependencies.check_disk()
    assert (check.fault, said in check.detail) == (fault, True)

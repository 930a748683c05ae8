"""Puts every defect back, one at a time, in a copy of the code, and demands that its test fails there.

`python -m tests.system.defects [D9 ...]`; without names all of them. Ends with 1 if a test did not notice.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.harness import ROOT
from tests.system.defects.breakages import BREAKAGES, Breakage

NOT_CODE = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", "*.sqlite3*")
AT_ONCE = 2
SECONDS = 600
# How pytest ends: only this says that a test ran and did not hold.
TESTS_FAILED = 1
NOTICED = "noticed"


def main(wanted: list[str]) -> int:
    chosen = [breakage for breakage in BREAKAGES if not wanted or breakage.defect in wanted]
    if unknown := set(wanted) - {breakage.defect for breakage in BREAKAGES}:
        sys.stdout.write(f"Nobody has written down how to put back {', '.join(sorted(unknown))}\n")
        return 1
    if said := _as_it_stands({breakage.test for breakage in chosen}):
        sys.stdout.write(said)
        return 1
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = list(pool.map(_played, chosen))
    missed = sum(verdict != NOTICED for verdict in verdicts)
    sys.stdout.write(f"\n{len(chosen)} defects put back, {len(chosen) - missed} noticed, {missed} not\n")
    return 1 if missed else 0


def _as_it_stands(tests: Iterable[str]) -> str:
    """Empty if all tests hold in an untouched copy: else their failing would prove nothing."""
    with tempfile.TemporaryDirectory() as folder:
        ended = _pytest(_copy(folder), tests)
    return (
        f"The tests do not hold as the code stands:\n{ended.stdout}{ended.stderr}" if ended.returncode else ""
    )


def _played(breakage: Breakage) -> str:
    with tempfile.TemporaryDirectory() as folder:
        verdict = _verdict(breakage, _copy(folder))
    sys.stdout.write(f"{breakage.defect:9} {breakage.file:38} {verdict:16} {breakage.test}\n")
    sys.stdout.flush()
    return verdict


def _verdict(breakage: Breakage, copy: Path) -> str:
    code = copy / breakage.file
    text = code.read_text()
    if text.count(breakage.old) != 1:
        return "NOT FOUND ONCE"
    code.write_text(text.replace(breakage.old, breakage.new))
    try:
        ended = _pytest(copy, [breakage.test])
    except subprocess.TimeoutExpired:
        return "DID NOT END"
    if ended.returncode == 0:
        return "NOT NOTICED"
    failed = ended.returncode == TESTS_FAILED and "FAILED tests/" in ended.stdout
    return NOTICED if failed else "DID NOT RUN"


def _copy(folder: str) -> Path:
    copy = Path(folder) / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_CODE)
    if (ROOT / ".venv").exists():
        (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def _pytest(copy: Path, tests: Iterable[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    environment = {**os.environ, "TEST_DATABASE": "sqlite", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, *(f"tests/{test}" for test in sorted(tests))],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

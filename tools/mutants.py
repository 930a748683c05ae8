"""How many small wrong edits the tests notice: mutation runs by cosmic-ray over the code that moves money.

    make mutants [ARGS="payment/services/refunds/amounts.py ... --near"] [SAMPLE=20] [SEED=1]

Each edit (a comparison turned round, a number changed, a decorator removed ...) is made in a copy of the repository,
and the unit tests of that module run there. An edit with which they pass has survived: it is printed, with its line.
SAMPLE=0 makes every edit of the modules named; without names all modules are taken. With `--near` only the test file
of the module's name runs, and those that import it: much faster, and what survives may be noticed by other tests.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("payment/services", "payment/phonepe", "booking/services")
NOT_CODE = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", "*.sqlite3*")
# One wrong operator for each right one: `a - b` as a bit shift says no more than `a + b`. And `str | None` in an
# annotation breaks the import only.
NOISE = re.compile(
    r"ReplaceBinaryOperator_(?!Add_Sub|Sub_Add|Mul_FloorDiv|FloorDiv_Mul|Mod_Mul|BitAnd_BitOr)"
    r"|ReplaceComparisonOperator_(?!Is)\w+_Is(Not)?$"
)
AT_ONCE = 2
# An edit may make a loop endless: its tests get so many times what they took before it.
PATIENCE = 5
CONFIG = """
[cosmic-ray]
module-path = "{module}"
timeout = {seconds}.0
excluded-modules = []
test-command = "{command}"

[cosmic-ray.distributor]
name = "local"
"""


@dataclass(frozen=True)
class Outcome:
    module: str
    edits: int
    killed: int
    survivors: list[str]
    error: str = ""

    @property
    def tried(self) -> int:
        return self.killed + len(self.survivors)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("modules", nargs="*", help=f"paths of modules; all of {', '.join(FOLDERS)} without")
    parser.add_argument("--sample", type=int, default=20, help="so many edits of each module; 0: all of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--near", action="store_true", help="only tests of that name, or that import the module"
    )
    options = parser.parse_args()
    modules = options.modules or [
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name != "__init__.py"
    ]
    if missing := [module for module in modules if not (ROOT / module).is_file()]:
        parser.error(f"there is no {', '.join(missing)}")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        runs = [pool.submit(run, module, options.sample, options.seed, options.near) for module in modules]
        outcomes = []
        for each in runs:
            outcomes.append(each.result())
            show(outcomes[-1])
    killed, tried = sum(one.killed for one in outcomes), sum(one.tried for one in outcomes)
    if tried:
        print(f"\n{killed} of {tried} edits noticed: {killed / tried:.0%}")
    return int(any(one.error for one in outcomes))


def run(module: str, sample: int, seed: int, near: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="okpuja-mutants-") as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=NOT_CODE)
        tests = tests_of(module, near)
        if not tests:
            return Outcome(module, 0, 0, [], "no unit test imports it")
        command = f"{sys.executable} -m pytest -x -q --no-header -p no:cacheprovider {' '.join(tests)}"
        began = time.monotonic()
        as_it_stands = call(command.split(), copy)
        seconds = PATIENCE * (time.monotonic() - began)
        if as_it_stands.returncode:
            return Outcome(module, 0, 0, [], f"its tests fail as it stands:\n{as_it_stands.stdout[-2000:]}")
        config, session = Path(folder) / "config.toml", Path(folder) / "session.sqlite"
        config.write_text(CONFIG.format(module=module, seconds=round(seconds), command=command))
        cosmic_ray = str(Path(sys.executable).with_name("cosmic-ray"))
        call([cosmic_ray, "init", str(config), str(session)], copy).check_returncode()
        work = WorkDB(str(session), WorkDB.Mode.open)
        edits = choose(work, sample, Random(f"{seed} {module}"))
        call([cosmic_ray, "exec", str(config), str(session)], copy).check_returncode()
        results = [each for each in work.completed_work_items if each[1].test_outcome]
        work.close()
    survivors = [described(item, result) for item, result in results if not result.is_killed]
    return Outcome(module, edits, len(results) - len(survivors), survivors)


def tests_of(module: str, near: bool) -> list[str]:
    """The test file of that name first, then unit tests that import the module, then those of the modules beside it.

    Without the last if `near`.
    """
    path = Path(module)
    own = Path("tests/unit") / path.parent / f"test_{path.name}"
    package, name = ".".join(path.parent.parts), path.stem
    imports = re.compile(
        rf"from {re.escape(package)} import [^\n]*\b{name}\b|from {re.escape(package)}\.{name} import"
    )
    others = [
        file.relative_to(ROOT)
        for file in sorted((ROOT / "tests/unit").rglob("test_*.py"))
        if imports.search(file.read_text(encoding="utf-8"))
    ]
    first = [own] if (ROOT / own).exists() else []
    beside = (
        [] if near else [file.relative_to(ROOT) for file in sorted((ROOT / own).parent.glob("test_*.py"))]
    )
    return [file.as_posix() for file in dict.fromkeys([*first, *others, *beside])]


def choose(work: WorkDB, sample: int, dice: Random) -> int:
    """Leaves so many edits to be made, and returns how many there are."""
    items = sorted(work.work_items, key=lambda item: (item.mutations[0].start_pos, item.job_id))
    useful = [item for item in items if not NOISE.search(item.mutations[0].operator_name)]
    chosen = dice.sample(useful, min(sample, len(useful))) if sample else useful
    left_out = {item.job_id for item in items} - {item.job_id for item in chosen}
    work.set_multiple_results(left_out, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    return len(useful)


def described(item: WorkItem, result: WorkResult) -> str:
    """The line, and the edit as a diff of it."""
    assert result.test_outcome == TestOutcome.SURVIVED
    changed = [
        line
        for line in (result.diff or "").splitlines()
        if re.match(r"[-+](?![-+])", line) and line[1:].strip()
    ]
    return f"line {item.mutations[0].start_pos[0]}\n      " + "\n      ".join(changed)


def show(outcome: Outcome) -> None:
    print(
        f"{outcome.module:48} {outcome.killed:4} of {outcome.tried:4} noticed, {outcome.edits} possible edits"
    )
    for survivor in outcome.survivors:
        print(f"   survived: {survivor}")
    if outcome.error:
        print(f"   {outcome.error}")
    sys.stdout.flush()


def call(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TEST_DATABASE": "sqlite", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())

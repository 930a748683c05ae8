"""Runs the laboratory: `make diagnose-lab`. Ends with 1 unless every case is as the table says.

With `--json` it reads names of cases and tells an outcome a line, for the tests.
"""

import argparse
import dataclasses
import json
import sys

from django.core.management import call_command

from tests.system.lab import environment, installation, page, running


def main() -> int:
    options = _parser().parse_args()
    if refusal := installation.refusal():
        print(refusal)  # noqa: T201
        return 1
    call_command("migrate", verbosity=0)
    if options.json:
        return tell(sys.stdin.read().splitlines())
    names = [name for name in running.CASES if options.only in name]
    met = page.show(running.outcomes(names, environment.database))
    if not options.only:
        page.PAGE.write_text(page.text(met))
    return int(any(outcome.wrong for outcome in met.values()))


def tell(names: list[str]) -> int:
    for outcome in running.outcomes(names, environment.database):
        print(json.dumps(dataclasses.asdict(outcome)), flush=True)  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.system.lab", description=__doc__)
    parser.add_argument(
        "--only", default="", help="cases whose name contains this; docs/diagnose-lab.md stays"
    )
    parser.add_argument("--json", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())

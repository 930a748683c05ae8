"""`make frontends`: plays every row of both sites, prints what came of each, and writes it into docs/frontends.md."""

import os
import re
import sys

from tests.harness import ROOT, environment
from tests.integration.frontend.contracts import play, rows_of
from tests.integration.frontend.people import shop_with_mails
from tests.integration.frontend.rows import BOTH, Row

PAGE = ROOT / "docs" / "frontends.md"
TABLE = re.compile(r"(?s)(<!-- (\w+): written by make frontends -->\n).*?(<!-- end -->)")


def text(played: dict[Row, str]) -> str:
    """The page with the tables of today. `played`: what is wrong with each row."""
    page = PAGE.read_text(encoding="utf-8")
    return TABLE.sub(lambda found: found[1] + _table(found[2], played) + found[3], page)


def _table(era: str, played: dict[Row, str]) -> str:
    lines = ["| Page | Call | What the page reads | Verdict |", "|---|---|---|---|"]
    for row in rows_of(era):
        lines.append(f"| {row.page} | {row.call} | {row.reads} | {_verdict(row, played[row])} |")
    return "\n".join(lines) + "\n"


def _verdict(row: Row, trouble: str) -> str:
    if trouble:
        return f"missing: {trouble}"
    return f"by design: {row.told}" if row.told else "works"


def main() -> int:
    """Exit code 1 if a row is missing."""
    try:
        with shop_with_mails("v2") as shop:
            played = {row: trouble for era in BOTH for row, trouble in play(shop, era).items()}
    finally:
        environment.end()
    PAGE.write_text(text(played), encoding="utf-8")
    for row, trouble in played.items():
        sys.stdout.write(f"{row.era:<6} {row.page:<38} {row.call:<75} {_verdict(row, trouble)}\n")
    missing = sum(map(bool, played.values()))
    database = os.environ.get("TEST_DATABASE", "sqlite")
    sys.stdout.write(f"{len(played)} rows on {database}, {missing} of them missing\n")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())

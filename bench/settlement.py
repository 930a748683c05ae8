"""The memory that a settlement file takes: `python -m bench.settlement [ROWS …]`, 10,000 and 1,000,000 rows by default.

Each file is read and compared with an empty database by a process of its own; what it takes beside the imports is
printed. All rows are payments of strangers, so each of them is a difference, too, which is counted and forgotten.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.harness import ROOT

SIZES = (10_000, 1_000_000)
HEADER = "PaymentType,MerchantReferenceId,Amount,Fee,IGST,CGST,SGST\n"
ROW = "PAYMENT,OKP{0:024x},{1}.00,-22.00,-3.96,0,0\n"
CHILD = """
import sys, resource, django
from datetime import date
from pathlib import Path
django.setup()
from django.core.management import call_command
from payment.reconciliation.settlement import read_file
from payment.reconciliation.settlement_rows import compare_settlement
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
call_command("migrate", verbosity=0)
before = peak()
settlement = read_file(Path(sys.argv[1]))
read = peak()
found = sum(1 for _ in compare_settlement(date(2026, 6, 13), settlement))
print(f"{settlement.rows} rows, {found} differences: {before} MB, {read} MB after reading, {peak()} MB at the end")
"""


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DOTENV_FILE": ""}
        environment |= {"SECRET_KEY": "bench-only-" + "x" * 40, "PHONEPE_SIMULATION_MODE": "True"}
        for rows in map(int, sys.argv[1:] or SIZES):
            file = Path(folder) / "settlement.csv"
            with file.open("w") as text:
                text.write(HEADER)
                text.writelines(
                    ROW.format(number * 2_654_435_761, 100 + number % 9_000) for number in range(rows)
                )
            url = {"DATABASE_URL": f"sqlite:///{folder}/{rows}.sqlite3"}
            began = time.monotonic()
            subprocess.run([sys.executable, "-c", CHILD, file], cwd=ROOT, env=environment | url, check=True)
            size, seconds = file.stat().st_size / 1e6, time.monotonic() - began
            print(f"   {size:.0f} MB, {seconds:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()

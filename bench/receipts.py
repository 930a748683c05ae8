"""What one receipt costs in processor time: `python -m bench.receipts`. It needs no database.

Each receipt has another number and payer, so that none is the same as one before.
"""

import os
import statistics
import sys
import time

RECEIPTS = 100


def main() -> None:
    import django  # noqa: PLC0415

    os.environ |= {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DOTENV_FILE": ""}
    os.environ |= {"SECRET_KEY": "bench-only-" + "x" * 40, "PHONEPE_SIMULATION_MODE": "True"}
    django.setup()
    measure()


def measure() -> None:
    from dataclasses import replace  # noqa: PLC0415

    from notifications.receipt_pdf import render  # noqa: PLC0415 - the settings are chosen before
    from tests.unit.notifications.samples import PAPER  # noqa: PLC0415

    print(f"fpdf2 imported at the start: {'fpdf' in sys.modules}")
    began = time.process_time()
    render(PAPER, "en")
    print(f"the first receipt of a process: {(time.process_time() - began) * 1000:.0f} ms of a processor")
    for language in ("en", "hi"):
        spent, size = [], 0
        for number in range(RECEIPTS):
            paper = replace(
                PAPER, number=f"OKP/26-27/{number:06}", payer=f"राधिका शर्मा {number}, r@example.com"
            )
            began = time.process_time()
            size = len(render(paper, language))
            spent.append((time.process_time() - began) * 1000)
        worst = statistics.quantiles(spent, n=20)[-1]
        print(
            f"{language}: median {statistics.median(spent):.1f} ms, 95 % below {worst:.1f} ms, {size} bytes;"
            f" load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()

"""What the start of each process costs, beside a bare Django with REST framework: `python -m bench.start`."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import print_figure

ROUNDS = 7
BARE = (
    "from django.conf import settings; settings.configure(INSTALLED_APPS=['django.contrib.contenttypes',"
    " 'django.contrib.auth', 'rest_framework'], ROOT_URLCONF='rest_framework.urls');"
    " import django; django.setup(); import rest_framework.viewsets, django.core.wsgi, rest_framework.urls"
)
OURS = "import django; django.setup(); import {}"
CONTENDERS = {
    "bare Django and DRF": BARE,
    "web (okpuja.wsgi)": OURS.format("okpuja.wsgi"),
    "worker": OURS.format("worker.management.commands.work"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DOTENV_FILE": ""}
        environment |= {"SECRET_KEY": "bench-only-" + "x" * 40, "PHONEPE_SIMULATION_MODE": "True"}
        environment |= {"DATABASE_URL": f"sqlite:///{Path(folder) / 'bench.sqlite3'}"}
        spent: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(ROUNDS):  # by turns, so that a busy machine slows all of them
            for name, code in CONTENDERS.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([sys.executable, "-c", code], env=environment, check=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    bare = statistics.median(spent["bare Django and DRF"])
    for name, seconds in spent.items():
        median = statistics.median(seconds)
        print(f"{name:<20} {median:.2f} s of a processor, {median / bare:.2f} of the bare one")
    print_figure(
        "start of a web process ÷ bare Django and DRF", statistics.median(spent["web (okpuja.wsgi)"]) / bare
    )
    print(f"load {os.getloadavg()[0]:.1f}, median of {ROUNDS} rounds")


if __name__ == "__main__":
    main()

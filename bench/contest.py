"""Contenders that do the same by turns, in one process: a slow machine slows all of them, and their ratios count."""

import gc
import os
import statistics
import time
from collections.abc import Callable

from bench.worker import tree_seconds
from tests.harness import environment

Contenders = dict[str, Callable[[], None]]


def alternate(contenders: Contenders, rounds: int, times: int, floor: str) -> dict[str, float]:
    """Each works so many times in each round. Prints how many a second; returns the median ratios to `floor`."""
    spent: dict[str, list[tuple[float, float, float]]] = {name: [] for name in contenders}
    for work in contenders.values():
        work()  # connections, tokens, caches
    gc.collect()
    gc.freeze()  # as `okpuja.gunicorn_config` does
    for _ in range(rounds):
        for name, work in contenders.items():
            wall, processor, database = time.perf_counter(), time.process_time(), _postgresql_seconds()
            for _ in range(times):
                work()
            spent[name].append(
                (
                    (time.perf_counter() - wall) / times,
                    (time.process_time() - processor) / times,
                    (_postgresql_seconds() - database) / times,
                )
            )
    print(f"{rounds} rounds of {times}, one caller, load {os.getloadavg()[0]:.1f}")
    print(f"{'':32}{'a second':>10}{'CPU ms':>9}{'PostgreSQL':>12}   ÷ {floor}")
    medians = {}
    for name, measured in spent.items():
        walls, processors, databases = zip(*measured, strict=True)
        ratios = sorted(theirs[0] / ours for theirs, ours in zip(spent[floor], walls, strict=True))
        medians[name] = statistics.median(ratios)
        print(
            f"{name:32}{1 / statistics.median(walls):10.1f}{statistics.median(processors) * 1000:9.2f}"
            f"{statistics.median(databases) * 1000:12.2f}"
            f"   {statistics.median(ratios):.3f} [{ratios[0]:.3f}–{ratios[-1]:.3f}]"
        )
    return medians


def _postgresql_seconds() -> float:
    """Of a processor, in all connections."""
    return tree_seconds(environment.postgres.process.pid) if environment.postgres else 0.0

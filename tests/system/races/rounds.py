"""Rounds of races through HTTP: two servers, two workers, one PostgreSQL, and PhonePe beside them.

    make races [ROUNDS=50] [SEED=7]

plays every contest so many times with each generation of PhonePe's wire, looks at the accounts in SQL after each
round, and ends with 0 only if nothing was found. The seed repeats the throws, not the timing.
"""

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
import requests

from tests.harness import environment, invariants, processes
from tests.harness.customers import Customer
from tests.harness.installation import InstallationWithPhonePe, start_installation
from tests.harness.processes import eventually
from tests.system.races.contests import AS_IT_WAS, CONTESTS, Round, cancel

Sql = Callable[[str], list[Any]]

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
HEADING = ("wire", "contest", "rounds", "requests", "deadlocks", "seconds", "violations", "answers")
LINE = "{:<5}{:<14}{:>7}{:>10}{:>11}{:>9}{:>12}  {}"


@dataclass
class Tally:
    """What came of all rounds of one contest."""

    generation: str
    contest: str
    rounds: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    deadlocks: int = 0
    seconds: float = 0
    violations: list[str] = field(default_factory=list)


@contextmanager
def arena(generation: str) -> Iterator[tuple[InstallationWithPhonePe, Sql]]:
    """Refunds are promised up to an hour before the puja, so that whoever is first to cancel gets one."""
    with (
        start_installation(generation, servers=2, workers=2, REFUND_FULL_HOURS=1) as shop,
        psycopg.connect(shop.database_url, autocommit=True) as connection,
    ):

        def sql(statement: str) -> list[Any]:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield shop, sql


def play(shop: InstallationWithPhonePe, sql: Sql, contest: str, rounds: int, seed: int) -> Tally:
    tally = Tally(shop.generation, contest)
    began, ((before,),) = time.monotonic(), sql(DEADLOCKS)
    for number in range(rounds):
        scene = Round(shop, Random(f"{seed} {shop.generation} {contest} {number}"), sql)
        found = play_one(scene, contest)
        tally.violations += [f"round {number} of {contest}, {shop.generation}: {what}" for what in found]
        tally.answers.update(answer.status_code for answer in scene.answers)
        tally.rounds += 1
    tally.seconds = time.monotonic() - began
    tally.deadlocks = sql(DEADLOCKS)[0][0] - before
    return tally


def play_one(scene: Round, contest: str) -> list[str]:
    """What was wrong: in the answers, in the accounts at once, in the logs, and in the accounts when all is settled."""
    heard = {process: len(process.output) for process in processes.running}
    found = complaints_of(lambda: CONTESTS[contest](scene))
    found += broken_laws(scene.sql)
    found += complaints_of(lambda: settle_down(scene))
    found += broken_laws(scene.sql)
    return found + [
        f"{process.name} said: {news}" for process in processes.running if (news := trouble(process, heard))
    ]


def complaints_of(work: Callable[[], None]) -> list[str]:
    try:
        work()
    except (AssertionError, requests.RequestException) as complaint:
        return [str(complaint) or repr(complaint)]
    return []


def broken_laws(sql: Sql) -> list[str]:
    return [f"not so: {law} {rows}" for law, rows in invariants.violations(sql).items()]


def trouble(process: processes.Process, heard: dict[processes.Process, int]) -> str:
    news = process.output[heard.get(process, 0) :]
    return news[-2000:] if "Traceback" in news or '"status": 500' in news else ""


def settle_down(scene: Round) -> None:
    """Everybody goes home: what is open is given up, what is booked is cancelled, and PhonePe's account is ours."""
    for statement in AS_IT_WAS:
        scene.sql(statement)
    for customer in scene.customers:
        leave(customer)
    eventually(
        lambda: not invariants.violations(scene.sql, invariants.REPORTS_APPLIED),
        "everything that was reported is settled",
    )
    eventually(lambda: taken(scene.shop) == received(scene.sql), "our ledger has what PhonePe has taken")


def leave(customer: Customer) -> None:
    for cart in customer.get("cart/carts/"):
        if not cart["can_delete"]:
            given_up = customer.post(f"cart/carts/{cart['id']}/cleanup_old_payments/")
            assert given_up.status_code in (200, 409), given_up.text
    for booking in customer.get("booking/bookings/"):
        if booking["status"] == "CONFIRMED":
            cancelled = cancel(customer, booking)
            assert cancelled.status_code == 200, cancelled.text


def taken(shop: InstallationWithPhonePe) -> int:
    return sum(merchant["paid_paise"] for merchant in shop.phonepe.control("account/")["merchants"])


def received(sql: Sql) -> int:
    return int(sql(invariants.RECEIVED_PAISE)[0][0])


def line(tally: Tally) -> str:
    told = "  ".join(f"{status}: {count}" for status, count in sorted(tally.answers.items()))
    counts = (
        tally.rounds,
        tally.answers.total(),
        tally.deadlocks,
        round(tally.seconds),
        len(tally.violations),
    )
    return LINE.format(tally.generation, tally.contest, *counts, told)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--contests", nargs="+", choices=CONTESTS, default=list(CONTESTS))
    parser.add_argument("--wires", nargs="+", choices=("v1", "v2"), default=("v1", "v2"))
    wanted = parser.parse_args()
    say(f"seed {wanted.seed}\n{LINE.format(*HEADING)}")
    violations = []
    for generation in wanted.wires:
        with arena(generation) as (shop, sql):
            for contest in wanted.contests:
                tally = play(shop, sql, contest, wanted.rounds, wanted.seed)
                say(line(tally))
                violations += tally.violations
    say("\n".join(violations) or "nothing was found")
    return 1 if violations else 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        environment.end()

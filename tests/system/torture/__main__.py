"""Torture, a chaos test: real servers, workers and PostgreSQL, a PhonePe with seeded faults, and many customers.

    make torture [MINUTES=5] [SEED=7] [ARGS=--celery] [ARGS="--celery rabbitmq"]

kills, cuts and restarts for so many minutes, then lets everything come to rest, and compares the rows of the
installations with those of PhonePe and with the mails that arrived. Ends with 0 only if nothing was found.
An odd seed gives V1's installation one worker and V2's three, an even one the other way round.
"""

import argparse
import secrets
import sys
import threading
import time
from functools import partial
from random import Random

from tests.harness import environment
from tests.harness.broker import BROKERS
from tests.system.torture import audit
from tests.system.torture.customers import EXPECTED_DEEDS, Diary, crowd
from tests.system.torture.faults import FaultInjector
from tests.system.torture.installation import Scale, Testbed, once_the_database_answers, start_testbed

# Of a hundred calls, so many go wrong.
CALLS = {"token": 10, "pay": 15, "status": 10, "refund": 15, "refund_status": 10}
PERCENT = CALLS | {"webhook": 30, "money_in": 8, "money_back": 10}
DAY = 86_400
QUIET_SECONDS = 600
LOOK_SECONDS = 2
NOT_DECIDED = "SELECT count(*) FROM simulator_order WHERE state = 'PENDING' OR bank_answers_at IS NOT NULL"
# Hours of waiting pass: what would be looked at later is looked at now.
DUE = "SET next_check_at = now() WHERE next_check_at > now() + interval '5 seconds'"
HOURS_PASS = (
    f"UPDATE payment_paymentattempt {DUE} AND state IN ('CREATED', 'UNKNOWN', 'PENDING')",
    f"UPDATE payment_refund {DUE}",
    f"UPDATE payment_webhookevent {DUE}",
    f"UPDATE notifications_notification {DUE}",
    "UPDATE payment_worklease SET held_until = now() WHERE error <> ''",
    "UPDATE payment_offer SET expires_at = now() WHERE state = 'OPEN' AND expires_at > now()",
)
# The week in which orders are asked about that ended unpaid: once, when PhonePe has decided everything.
WEEK_PASSES = (f"UPDATE payment_paymentattempt {DUE}",)


def torture(minutes: float, seed: int, customers: int, *, broker: str = "") -> list[str]:
    workers = {"v1": 1, "v2": 3} if seed % 2 else {"v1": 3, "v2": 1}
    scale = Scale(people=2 * customers, workers=workers, broker=broker)
    with start_testbed(scale) as testbed:
        testbed.phonepe.control("reset/", {"seed": seed, "percent": PERCENT})
        diary = Diary()
        faults = FaultInjector(testbed, Random(seed), scale.time)
        end = time.monotonic() + minutes * 60
        threads = everybody(testbed, diary, seed, customers, end)
        faults.go_on_until(end)
        faults.end()
        come_home(threads, faults)
        come_to_rest(testbed)
        found = diary.violations + audit.findings(testbed)
        report(testbed, diary, faults, found)
        return found


def everybody(
    testbed: Testbed, diary: Diary, seed: int, customers: int, end: float
) -> list[threading.Thread]:
    links = testbed.inbox.offers
    deeds = [
        deed
        for installation in testbed.installations
        for deed in crowd(installation, links, diary, seed, customers // 2, end)
    ]
    threads = [threading.Thread(target=deed, daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    return threads


def come_home(threads: list[threading.Thread], faults: FaultInjector) -> None:
    """Nobody is killed any more; who is on the way gets there."""
    for thread in threads:
        thread.join(timeout=120)
    for program in faults.testbed.programs:
        program.restart_if_ended()


def come_to_rest(testbed: Testbed) -> None:
    """Hours pass, at PhonePe and in the shops, until nobody has anything to do; then the rest of the week, once."""
    for statement in ("DELETE FROM simulator_faultrate", "DELETE FROM simulator_fault"):
        testbed.phonepe.query(statement)
    began = time.monotonic()
    for passes in (HOURS_PASS, WEEK_PASSES, HOURS_PASS):
        if not at_rest(testbed, passes, began + QUIET_SECONDS):
            say("NOT at rest")
            return
    say(f"at rest after {time.monotonic() - began:.0f} s")


def at_rest(testbed: Testbed, passes: tuple[str, ...], end: float) -> bool:
    """Within the time, after nothing was to be done twice in a row."""
    calm, has_passed = 0, False
    while calm < 2 and time.monotonic() < end:
        testbed.phonepe.control("clock/", {"advance": DAY // 4})
        if passes is HOURS_PASS or not has_passed:
            pass_by(testbed, passes)
            has_passed = True
        time.sleep(LOOK_SECONDS)
        calm = 0 if busy(testbed) else calm + 1
    return calm == 2


def pass_by(testbed: Testbed, passes: tuple[str, ...]) -> None:
    for installation in testbed.installations:
        for statement in passes:
            once_the_database_answers(partial(installation.query, statement))


def busy(testbed: Testbed) -> list[str]:
    found = [
        f"{installation.generation} {left}"
        for installation in testbed.installations
        if (left := audit.to_do(installation, testbed.phonepe))
    ]
    if count := testbed.phonepe.query(NOT_DECIDED)[0][0]:
        found.append(f"{count} orders at PhonePe")
    say(f"  to do: {found}" if found else "  nobody has anything to do")
    return found


def report(testbed: Testbed, diary: Diary, faults: FaultInjector, found: list[str]) -> None:
    kills = sum(count for name, count in faults.done.items() if name.startswith("kill"))
    say(f"payments   {audit.payments_made(testbed)}")
    say(f"kills      {kills}   {dict(faults.done)}")
    say(f"customers  {dict(diary.deeds.most_common())}")
    if missing := [deed for deed in EXPECTED_DEEDS if not diary.deeds[deed]]:
        say(f"NOBODY     {missing}: the run is too short, or it was refused every time")
    say(f"answers    {sum(diary.answers.values())}   {dict(diary.answers.most_common())}")
    for line in audit.figures(testbed):
        say(line)
    say(f"mails      {len(testbed.inbox.message_ids)} different ones arrived")
    say(f"violations {len(found)}")
    for what in found:
        say(f"  {what}")
    if found:
        say(f"the databases are in {testbed.copy_books()}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--customers", type=int, default=160, help="at once, in both shops together")
    parser.add_argument(
        "--celery",
        nargs="?",
        const="redis",
        default="",
        choices=BROKERS,
        help="two Celery workers and a timer in place of workers, over this broker",
    )
    wanted = parser.parse_args()
    say(f"seed {wanted.seed}, {wanted.minutes:g} minutes, {wanted.customers} customers at once")
    if wanted.celery and not BROKERS[wanted.celery].is_installed:
        say(f"NOT RUN: no {wanted.celery}-server (Debian: apt-get install {wanted.celery}-server)")
        return 2
    return 1 if torture(wanted.minutes, wanted.seed, wanted.customers, broker=wanted.celery) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        environment.end()

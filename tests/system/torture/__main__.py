"""Torture: real servers, workers and PostgreSQL, a PhonePe that errs by seed, and a town full of customers.

    make torture [MINUTES=5] [SEED=7]

kills, cuts and restarts for so many minutes, then lets everything come to rest, and compares the books of the
shops with those of PhonePe and with what the post office carried. Ends with 0 only if nothing was found.
An odd seed gives V1's shop one worker and V2's three, an even one the other way round.
"""

import argparse
import secrets
import sys
import threading
import time
from functools import partial
from random import Random

from tests.harness import environment
from tests.system.torture import audit
from tests.system.torture.customers import Diary, crowd
from tests.system.torture.faults import FaultInjector
from tests.system.torture.installation import Scale, Town, once_the_database_answers, town

# Of a hundred calls, so many go wrong.
CALLS = {"token": 10, "pay": 15, "status": 10, "refund": 15, "refund_status": 10}
PERCENT = CALLS | {"webhook": 30, "money_in": 8, "money_back": 10}
DAY = 86_400
QUIET_SECONDS = 600
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


def torture(minutes: float, seed: int, customers: int) -> list[str]:
    scale = Scale(workers={"v1": 1, "v2": 3} if seed % 2 else {"v1": 3, "v2": 1})
    with town(scale) as place:
        place.phonepe.control("reset/", {"seed": seed, "percent": PERCENT})
        diary = Diary()
        faults = FaultInjector(place, Random(seed), scale.time)
        end = time.monotonic() + minutes * 60
        threads = everybody(place, diary, seed, customers, end)
        faults.go_on_until(end)
        faults.end()
        come_home(threads, faults)
        come_to_rest(place)
        found = diary.violations + audit.findings(place)
        report(place, diary, faults, found)
        return found


def everybody(place: Town, diary: Diary, seed: int, customers: int, end: float) -> list[threading.Thread]:
    links = place.post_office.offers
    deeds = [deed for shop in place.shops for deed in crowd(shop, links, diary, seed, customers // 2, end)]
    threads = [threading.Thread(target=deed, daemon=True) for deed in deeds]
    for thread in threads:
        thread.start()
    return threads


def come_home(threads: list[threading.Thread], faults: FaultInjector) -> None:
    """Nobody is killed any more; who is on the way gets there."""
    for thread in threads:
        thread.join(timeout=120)
    for program in faults.town.programs:
        program.look_after()


def come_to_rest(place: Town) -> None:
    """Hours pass, at PhonePe and in the shops, until nobody has anything to do; then the rest of the week, once."""
    for statement in ("DELETE FROM simulator_faultrate", "DELETE FROM simulator_fault"):
        place.phonepe.query(statement)
    began = time.monotonic()
    for passes in (HOURS_PASS, WEEK_PASSES, HOURS_PASS):
        if not at_rest(place, passes, began + QUIET_SECONDS):
            say("NOT at rest")
            return
    say(f"at rest after {time.monotonic() - began:.0f} s")


def at_rest(place: Town, passes: tuple[str, ...], end: float) -> bool:
    """Within the time, after nothing was to be done twice in a row."""
    calm, has_passed = 0, False
    while calm < 2 and time.monotonic() < end:
        place.phonepe.control("clock/", {"advance": DAY // 4})
        if passes is HOURS_PASS or not has_passed:
            pass_by(place, passes)
            has_passed = True
        time.sleep(5)
        calm = 0 if busy(place) else calm + 1
    return calm == 2


def pass_by(place: Town, passes: tuple[str, ...]) -> None:
    for shop in place.shops:
        for statement in passes:
            once_the_database_answers(partial(shop.sql, statement))


def busy(place: Town) -> list[str]:
    found = [f"{shop.generation} {left}" for shop in place.shops if (left := audit.to_do(shop))]
    if count := place.phonepe.query(NOT_DECIDED)[0][0]:
        found.append(f"{count} orders at PhonePe")
    say(f"  to do: {found}" if found else "  nobody has anything to do")
    return found


def report(place: Town, diary: Diary, faults: FaultInjector, found: list[str]) -> None:
    kills = sum(count for name, count in faults.done.items() if name.startswith("kill"))
    say(f"payments   {audit.payments_made(place)}")
    say(f"kills      {kills}   {dict(faults.done)}")
    say(f"customers  {dict(diary.deeds.most_common())}")
    say(f"answers    {sum(diary.answers.values())}   {dict(diary.answers.most_common())}")
    for line in audit.figures(place):
        say(line)
    say(f"mails      {len(place.post_office.seen)} different ones arrived")
    say(f"violations {len(found)}")
    for what in found:
        say(f"  {what}")
    if found:
        say(f"the books are in {place.leave_books()}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000))
    parser.add_argument("--customers", type=int, default=160, help="at once, in both shops together")
    wanted = parser.parse_args()
    say(f"seed {wanted.seed}, {wanted.minutes:g} minutes, {wanted.customers} customers at once")
    return 1 if torture(wanted.minutes, wanted.seed, wanted.customers) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        environment.pytest_unconfigure(None)

"""People with filled carts, and orders that are open at PhonePe, made by our own services in a process of its own."""

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.harness import ROOT

MAKE = """
import django, json, sys
django.setup()
from concurrent.futures import ThreadPoolExecutor
from django.db import connection
from accounts.models import User
from accounts.sessions import open_session
from booking.models import PujaService
from payment.services import gateway_calls
from payment.services.checkout import start_payment
from tests.harness import builders
count, capacity, is_open = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "open"
service = builders.make_service(f"Rush Puja {PujaService.objects.count()}")
package = builders.make_package(service)
slot = builders.make_slot(service, days=5, capacity=capacity)
gateway_calls.call_permits.count = 16
def make(number):
    try:
        person = User.objects.create_user(f"rush{service.pk}-{number}@example.com", None)
        cart = builders.make_cart(person, package, slot.starts_at)
        if is_open:
            start_payment(person, cart_id=cart.pk)
        return open_session(person).access, cart.pk
    finally:
        connection.close()
with ThreadPoolExecutor(8) as threads:
    people = list(threads.map(make, range(count)))
print(json.dumps({"people": people, "slot": slot.pk, "service": service.pk}))
"""


@dataclass(frozen=True)
class Crowd:
    """`people`: an access token and the id of a cart for each. All of them want the one slot."""

    people: list[tuple[str, int]]
    slot: int
    service: int


def make_crowd(environment: dict[str, str], count: int, capacity: int, *, is_open: bool = False) -> Crowd:
    done = subprocess.run(
        [sys.executable, "-c", MAKE, str(count), str(capacity), "open" if is_open else "filled"],
        env=environment | {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "16"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    made = json.loads(done.stdout.splitlines()[-1])
    return Crowd([(token, cart) for token, cart in made["people"]], made["slot"], made["service"])

"""CPU of one paid booking, from the cart to its mails: `TEST_DATABASE=postgresql python -m bench.booking [BOOKINGS]`.

One process does what web server and worker do, one after the other, so that its processor time is theirs together; the
server's own part (sockets, HTTP) and PostgreSQL are not in it. PhonePe is in the same process, mails go nowhere.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from bench.figures import print_figure
from bench.webhook import WEBHOOK, buyers, prepare, shop
from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL, seeded_database

BOOKINGS, NOT_MEASURED = 40, 3  # the first ones load modules, compile statements and open connections
CART = "/api/payments/payments/process-cart/"


def main() -> None:
    bookings = int(sys.argv[1]) if sys.argv[1:] else BOOKINGS
    if not ON_POSTGRESQL:
        raise SystemExit("TEST_DATABASE=postgresql python -m bench.booking")
    with seeded_database() as (url, _):
        prepare(url)
        measure(bookings)
    environment.end()


def measure(bookings: int) -> None:
    from django.conf import settings  # noqa: PLC0415 - `prepare` has chosen them
    from django.test import Client  # noqa: PLC0415

    from accounts.sessions import open_session  # noqa: PLC0415
    from notifications.models import Notification  # noqa: PLC0415
    from payment.models import Payment  # noqa: PLC0415
    from tests.harness.paid_phonepe import webhook  # noqa: PLC0415
    from worker.jobs import run_due  # noqa: PLC0415

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    _, buyer, cart = shop()
    people, carts = buyers(buyer, cart, bookings + NOT_MEASURED)
    client = Client()
    spent: dict[str, list[float]] = {"click on Pay": [], "webhook": [], "receipt's number": [], "mails": []}

    def measured(stage: str, work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        result = work(*arguments, **named)
        spent[stage].append((time.process_time() - began) * 1000)
        return result

    for person, its_cart in zip(people, carts, strict=True):
        login, body = {"Authorization": f"Bearer {open_session(person).access}"}, {"cart_id": its_cart.pk}
        page = measured("click on Pay", client.post, CART, body, "application/json", headers=login).json()
        paid = Payment.objects.get(pk=page["payment_id"])
        headers, event = webhook(page["merchant_transaction_id"], paid.amount_paise)
        measured("webhook", client.post, WEBHOOK, event, "application/json", headers=headers)
        measured("receipt's number", run_due, ["receipts"])
        measured("mails", run_due, ["notifications"])

    assert Notification.objects.filter(state="SENT").count() >= bookings
    assert Payment.objects.filter(fulfilment="BOOKED").count() == bookings + NOT_MEASURED
    medians = {stage: statistics.median(each[NOT_MEASURED:]) for stage, each in spent.items()}
    for stage, milliseconds in medians.items():
        print(f"{stage:20}{milliseconds:7.1f} ms of CPU")
    print_figure("CPU ms of a paid booking, cart to mails", sum(medians.values()))


if __name__ == "__main__":
    main()

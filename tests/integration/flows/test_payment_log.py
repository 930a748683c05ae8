"""One payment in the logs of a server and a worker: `grep REFERENCE` tells its whole story, and nobody's name."""

import json

import pytest

from tests.harness.customers import Customer, arrive, pay
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.installation import start_installation
from tests.harness.mail_server import mail_server
from tests.harness.processes import eventually

pytestmark = pytest.mark.sockets
NAME, PHONE, EMAIL, WHY = "Lakshmi Narayanan", "+919812345678", "devotee@example.com", "Asked by Aunt Kamala"


@pytest.fixture(scope="module")
def story():
    """The lines of all processes after one payment that was paid, booked, told, and refunded by staff."""
    with (
        mail_server() as post,
        start_installation(
            "v2",
            servers=1,
            workers=1,
            LOG_LEVEL="INFO",
            EMAIL_URL=f"smtp://127.0.0.1:{post.port}",
            PAYMENT_TIME_SCALE=20,
        ) as shop,
    ):
        now = "now()" if ON_POSTGRESQL else "CURRENT_TIMESTAMP"
        shop.query(
            f"UPDATE accounts_user SET first_name='{NAME}', phone='{PHONE}', email_confirmed_at={now} "  # noqa: S608
            f"WHERE email='{EMAIL}'"
        )

        def told(kind):
            sent = f"SELECT 1 FROM notifications_notification WHERE kind='{kind}' AND state='SENT'"  # noqa: S608
            return shop.query(sent)

        devotee = Customer(shop.urls)
        devotee.log_in(EMAIL)
        started = devotee.start()
        arrive(pay(started["payment_url"]))
        eventually(lambda: told("booked"), "the customer is told of the booking")
        refund = shop.staff.post(f"payments/payments/{started['payment_id']}/refund/", {"reason": WHY})
        assert refund.status_code == 201, refund.text
        shop.phonepe.advance_clock(7 * 86_400)  # the bank credits the refund
        eventually(lambda: told("refund_credited"), "the customer is told that the refund has arrived")
        output = shop.servers[0].output + shop.workers[0].output
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert all(line.get("exception") is None for line in lines)
    return started, lines, output


def test_a_search_for_the_reference_tells_the_whole_story(story):
    started, _, output = story
    found = [json.loads(line) for line in output.splitlines() if started["transaction_id"] in line]

    said = [line["message"] for line in found if line["logger"] == "okpuja.events"]
    assert {"opened", "asked", "webhook", "paid", "booked", "refund", "told"} <= set(said)
    assert [said.count(word) for word in ("opened", "paid", "booked")] == [1, 1, 1]
    moments = {line["message"]: line["time"] for line in reversed(found)}
    assert moments["opened"] <= moments["asked"] <= moments["paid"] <= moments["booked"] <= moments["told"]
    assert {"pay", "status", "refund"} <= {
        line.get("operation") for line in found if line["message"] == "asked"
    }
    assert {"booked", "refund_started", "refund_credited"} <= {line.get("kind") for line in found}
    ended = [line for line in found if line["message"] == "refund" and line["after"] == "COMPLETED"]
    assert [(line["paise"], bool(line["refund"])) for line in ended] == [(210_000, True)]
    paths = [line["path"] for line in found if line["logger"] == "okpuja.access"]
    assert "/api/payments/payments/process-cart/" in paths
    assert "/api/payments/webhook/phonepe/" in paths


def test_every_line_of_a_payment_carries_its_payment_and_its_order(story):
    started, lines, _ = story
    keys = started["transaction_id"], started["merchant_transaction_id"]

    about = [line for line in lines if any(key in json.dumps(line) for key in keys)]
    events = [line for line in lines if line["logger"] == "okpuja.events"]

    assert len(about) > 15
    assert {(line.get("payment"), line.get("order")) for line in (*about, *events)} == {keys}


def test_no_personal_data_stands_in_any_line(story):
    started, _, output = story

    for private in (NAME, NAME.split()[0], PHONE, PHONE[3:], EMAIL, WHY, "Kamala", started["payment_url"]):
        assert private not in output

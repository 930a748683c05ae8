"""The desk where staff look into payments."""

import html
import json

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from booking.models import Slot
from diagnostics.runner import diagnose
from payment.models import (
    DiagnosisRun,
    Dispute,
    GatewayCall,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    StateChange,
    WebhookEvent,
)
from payment.phonepe.enums import Channel
from payment.services.attempts import Opening
from payment.services.checkout import start_donation, start_payment
from payment.services.outcomes import apply_status
from payment.services.receipts import drawing_slots, pdf, receipt_of
from payment.services.refunds.requests import request_refund
from payment.services.webhooks import process_event, receive_webhook
from simulator.webhook_deliveries import authentication_headers
from tests.harness import builders
from tests.unit.payment.builders import completed

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def paid(alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    receive_webhook(authentication_headers(phonepe.webhooks[-1]), phonepe.webhooks[-1].body.encode())
    apply_status(started.attempt.pk, completed(started.payment.amount_paise), "worker")
    return started.payment


@pytest.fixture
def desk(client, staff):
    client.force_login(staff)
    return client


def test_staff_see_all_that_belongs_to_a_payment_on_its_page(desk, paid):
    page = desk.get(reverse("admin:payment_payment_change", args=[paid.pk])).content.decode()
    assert paid.attempts.get().merchant_order_id in page
    assert "money_received" in page
    assert page.count("₹1,100.00") >= 2  # of the payment, and of its entry in the ledger below it
    assert "110000" not in page


@pytest.mark.parametrize(
    "model", [Payment, PaymentAttempt, GatewayCall, StateChange, LedgerEntry, WebhookEvent, Receipt]
)
def test_every_row_of_money_can_be_looked_at_and_not_be_changed(desk, paid, model):
    name = f"admin:payment_{model._meta.model_name}"
    row = model.objects.first()
    assert desk.get(reverse(f"{name}_changelist"), {"q": "1"}).status_code == 200
    assert desk.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
    assert desk.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert desk.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("typed", ["098765 00001", "+91 98765-00001", "98765 0000"])
def test_staff_find_a_payment_by_the_phone_of_who_pays(desk, paid, typed):
    guest = start_donation(None, amount_paise=20_000, mobile="+44 7911 123456").payment
    page = desk.get(reverse("admin:payment_payment_changelist"), {"q": typed}).content.decode()
    assert paid.reference in page
    assert guest.reference not in page
    found = desk.get(reverse("admin:payment_payment_changelist"), {"q": "0044 7911-123456"}).content.decode()
    assert guest.reference in found
    assert paid.reference not in found


@pytest.mark.parametrize(
    ("kept", "typed"),
    [
        *(
            ("9876543210/9876543211", typed)
            for typed in (
                *("9876543210", "98765 43211", "+91 98765-43211", "०९८७६५ ४३२१०", "98765 4"),
                *("9876543210/9876543211", "9876543210 / 9876543211"),
            )
        ),
        *(
            ("call 98765 43210 or 98765 43211", typed)
            for typed in (
                *("9876543210", "98765 43211", "+919876543211", "987654", "43210"),
                *("call 98765 43210 or 98765 43211", "call"),
            )
        ),
        *(("+919876543210/11", typed) for typed in ("98765 43210", "0919876543210", "+919876543210/11")),
        ("९८७६५ ४३२१०, ९८७६५ ४३२११", "9876543211"),
        ("+44 7911 123456 or 98765 43210", "0044 7911 123456"),
    ],
)
def test_staff_find_a_payment_by_a_number_that_was_kept_as_text(desk, phonepe, kept, typed):
    guest = start_donation(None, amount_paise=20_000, mobile=kept).payment
    other = start_donation(None, amount_paise=20_000, mobile="12345/67890 or 24680").payment
    page = desk.get(reverse("admin:payment_payment_changelist"), {"q": typed}).content.decode()
    assert guest.reference in page
    assert other.reference not in page


@pytest.mark.parametrize(
    ("version", "opening"),
    [
        ("v2", Opening()),
        ("v2", Opening(Channel.SDK)),
        ("v1", Opening(Channel.UPI_INTENT, "com.phonepe.app", "ANDROID")),
    ],
    ids=["page", "sdk", "upi intent"],
)
def test_staff_do_not_see_what_the_customer_pays_with(client, alice, cart, settings, version, opening):
    """Whoever has the page's address, the token or the link can pay. Not even a superuser needs it."""
    settings.PHONEPE_API_VERSION = version
    attempt = start_payment(alice, cart_id=cart.pk, opening=opening).attempt
    client.force_login(User.objects.create_superuser(email="boss@example.com", password="x"))

    for url in (
        reverse("admin:payment_paymentattempt_change", args=[attempt.pk]),
        reverse("admin:payment_paymentattempt_changelist"),
        reverse("admin:payment_payment_change", args=[attempt.payment_id]),
        reverse("admin:payment_payment_changelist"),
    ):
        page = html.unescape(client.get(url).content.decode())
        assert attempt.merchant_order_id in page or attempt.payment.reference in page
        for given in filter(None, (attempt.page_url, attempt.order_token, attempt.intent_url)):
            assert given not in page


def test_staff_read_what_each_diagnosis_has_found_and_change_nothing(desk):
    diagnose()
    run = DiagnosisRun.objects.get()
    page = reverse("admin:payment_diagnosisrun_change", args=[run.pk])

    assert run.summary in desk.get(reverse("admin:payment_diagnosisrun_changelist")).content.decode()
    said = desk.get(page).content.decode()
    assert "Must act:   nobody" in said
    assert "all migrations are applied" in said
    assert desk.post(page, {"summary": "all is well"}).status_code == 403
    assert desk.get(reverse("admin:payment_diagnosisrun_add")).status_code == 403


def test_a_diagnosis_that_is_still_under_way_can_be_looked_at(desk):
    run = DiagnosisRun.objects.create(asked_by="worker", started_at=timezone.now())
    assert desk.get(reverse("admin:payment_diagnosisrun_change", args=[run.pk])).status_code == 200


def test_customers_have_no_desk(client, alice, paid):
    client.force_login(alice)
    assert client.get(reverse("admin:payment_payment_changelist")).status_code == 302


def act(desk, model, action: str, *rows, **typed: str) -> str:
    """Staff choose rows and an action, and type beside it; what they are told."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    body = {"action": action, "_selected_action": [row.pk for row in rows], **typed}
    return desk.post(url, body, follow=True).content.decode()


def test_a_second_person_approves_a_refund_at_the_desk(desk, paid, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    asked = request_refund(paid.pk, None, "a gesture", builders.make_user("asker@example.com", is_staff=True))

    assert "1 decided." in act(desk, Refund, "approve", asked)

    assert Refund.objects.get().held_because == ""


def test_who_asked_is_told_at_the_desk_that_another_must_approve(desk, paid, staff, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    asked = request_refund(paid.pk, None, "a gesture", staff)

    assert "another person" in act(desk, Refund, "approve", asked)

    assert Refund.objects.get().held_because == Refund.Hold.SECOND_PERSON


def test_staff_close_a_time_at_the_desk_and_all_are_refunded(desk, paid, slot):
    assert "1 bookings dealt with" in act(desk, Slot, "close_and_refund", slot)

    assert Refund.objects.get().amount_paise == 110_000


@pytest.mark.parametrize("action", ["close_and_refund", "close_and_move"])
def test_staff_are_told_how_many_bookings_are_left_when_there_are_too_many_for_one_request(
    desk, paid, slot, service, action, monkeypatch
):
    builders.make_slot(service, days=9)
    monkeypatch.setattr("payment.admin.MOST_AT_ONCE", 0)
    assert "1 bookings are left: choose the action again" in act(desk, Slot, action, slot)
    slot.refresh_from_db()
    assert (slot.is_open, slot.booked) == (False, 1)

    monkeypatch.undo()
    assert "are left" not in act(desk, Slot, action, slot)

    slot.refresh_from_db()
    assert slot.booked == 0


def test_staff_without_the_right_see_no_decisions(client, paid):
    looker = builders.make_user("looker@example.com", is_staff=True)
    looker.user_permissions.add(
        Permission.objects.get(content_type__app_label="payment", codename="view_refund")
    )
    client.force_login(looker)

    page = client.get(reverse("admin:payment_refund_changelist")).content.decode()

    assert "Approve" not in page


@pytest.mark.parametrize("typed", ["{number}", "{dashes}", " {number} ", "{reference}", "alice"])
def test_staff_find_a_receipt_by_its_number_and_read_it_as_its_payer_does(desk, paid, typed):
    receipt = receipt_of(paid)
    other = start_donation(None, amount_paise=20_000).payment
    apply_status(other.attempts.get().pk, completed(20_000), "worker")
    said = typed.format(
        number=receipt, dashes=str(receipt).replace("/", "-").lower(), reference=paid.reference
    )

    page = desk.get(reverse("admin:payment_receipt_changelist"), {"q": said}).content.decode()
    assert paid.reference in page
    assert other.reference not in page
    paper = desk.get(reverse("admin:payment_receipt_pdf", args=[receipt.pk]))
    assert paper["Content-Type"] == "application/pdf"
    assert paper.content == pdf(receipt, paid.user.language)[1]


def test_staff_are_told_when_a_receipt_is_just_being_made(desk, paid):
    receipt = receipt_of(paid)
    with drawing_slots.reserve():
        answer = desk.get(reverse("admin:payment_receipt_pdf", args=[receipt.pk]), follow=True)

    assert answer.redirect_chain == [(reverse("admin:payment_receipt_change", args=[receipt.pk]), 302)]
    assert "Your receipt is being made" in answer.content.decode()


def test_receipts_of_the_admin_and_of_the_api_share_one_rate(desk, paid, staff, api, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "receipt", "2/min")
    page = reverse("admin:payment_receipt_pdf", args=[receipt_of(paid).pk])
    codes = [desk.get(page).status_code for _ in range(2)]
    codes.append(api(staff).get(f"/api/payments/payments/{paid.pk}/receipt/").status_code)
    refused = desk.get(page)

    assert (codes, refused.status_code) == ([200, 200, 429], 429)
    assert 0 < int(refused["Retry-After"]) <= 61
    assert desk.get(reverse("admin:payment_receipt_changelist")).status_code == 200


def test_a_receipt_is_shown_only_to_staff_who_may_see_receipts(client, paid, staff):
    page = reverse("admin:payment_receipt_pdf", args=[paid.receipt.pk])
    assert client.get(page).status_code == 302
    client.force_login(builders.make_user("clerk@example.com", is_staff=True))
    assert client.get(page).status_code == 403
    client.force_login(staff)
    assert client.get(reverse("admin:payment_receipt_pdf", args=[0])).status_code == 404


@pytest.fixture
def disputed(paid):
    """PhonePe says that all of it is disputed, or something like it."""
    payload = {"disputeId": "DSP1", "merchantOrderId": paid.attempts.get().merchant_order_id}
    event = WebhookEvent.objects.create(
        digest="d",
        scheme="hmac",
        body=json.dumps({"event": "payment.dispute.accepted", "payload": payload}).encode(),
        event="payment.dispute.accepted",
        claimed_state="UNKNOWN",
        attempt=paid.attempts.get(),
    )
    process_event(event)
    return Dispute.objects.get()


def test_staff_see_a_dispute_with_all_its_news(desk, disputed):
    page = desk.get(reverse("admin:payment_dispute_change", args=[disputed.pk])).content.decode()

    assert "PhonePe used a word that we do not know" in page
    assert "not known: all of it" in desk.get(reverse("admin:payment_dispute_changelist")).content.decode()


@pytest.mark.parametrize("is_json", [True, False])
def test_what_phonepe_tells_of_the_payer_is_masked_on_the_page_of_its_event(desk, disputed, is_json):
    payer = {"vpa": "meera@ybl", "accountHolderName": "Meera Joshi"}
    body = (
        json.dumps({"payload": {"state": "COMPLETED", **payer}})
        if is_json
        else "vpa=meera@ybl&state=COMPLETED"
    )
    WebhookEvent.objects.update(body=body.encode())
    event = WebhookEvent.objects.get(digest="d")
    page = desk.get(reverse("admin:payment_webhookevent_change", args=[event.pk])).content.decode()

    assert "COMPLETED" in page
    assert "meera@ybl" not in page
    assert "Meera Joshi" not in page


def test_staff_say_at_the_desk_how_much_of_a_payment_is_lost(desk, disputed, paid):
    assert "1 decided." in act(desk, Dispute, "mark_lost", disputed, rupees="500.50")

    assert paid.ledger.get(kind="CHARGEBACK").amount_paise == -50_050
    assert "1 decided." in act(desk, Dispute, "mark_won", disputed)
    assert sum(paid.ledger.filter(kind="CHARGEBACK").values_list("amount_paise", flat=True)) == 0


@pytest.mark.parametrize("typed", ["", "0.5", "abc", "-5", "1e400", "100.555", "1101"])
def test_an_amount_that_cannot_be_meant_decides_nothing_at_the_desk(desk, disputed, paid, typed):
    act(desk, Dispute, "mark_lost" if typed else "enter_amount", disputed, rupees=typed)

    assert not paid.ledger.filter(kind="CHARGEBACK").exists()


def test_staff_close_a_call_that_nobody_understands_with_a_reason(desk, disputed, staff):
    event = WebhookEvent.objects.get(state="NEEDS_REVIEW")
    assert "Say why" in act(desk, WebhookEvent, "close", event, reason="")

    assert "1 decided." in act(desk, WebhookEvent, "close", event, reason="accepted means lost")

    event.refresh_from_db()
    assert (event.state, event.closed_by, event.closed_because) == ("CLOSED", staff, "accepted means lost")


@pytest.mark.parametrize(
    ("model", "field"), [(GatewayCall, "code"), (WebhookEvent, "unclear"), (StateChange, "detail")]
)
def test_what_others_sent_turns_no_direction_of_writing_at_the_desk(desk, paid, model, field):
    model.objects.update(**{field: "paid\u202e0001\x9b\u2066"})
    row, name = model.objects.latest("pk"), f"admin:payment_{model._meta.model_name}"
    for url in (reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_changelist")):
        page = desk.get(url).content.decode()
        assert not {"\u202e", "\u2066", "\x9b"} & set(page)
    assert "paid\\u202e0001" in desk.get(reverse(f"{name}_change", args=[row.pk])).content.decode()

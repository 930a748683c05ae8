"""A person's data goes with them, and money stays where it is."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import Address, PanCard, Session, Upload, User
from accounts.pan_cards import save
from accounts.services import AccountClosed, add_address, lock_user
from accounts.sessions import open_session
from booking.models import Booking, Cart, Checkout
from booking.services import change_cart
from booking.services.waiting_list import join
from core.errors import Refusal
from notifications.models import Notification
from payment.models import IdempotencyKey, LedgerEntry, Payment, PaymentAttempt, Receipt, WebhookEvent
from payment.reconciliation.invariants import find_violations
from payment.services.checkout import start_donation
from payment.services.outcomes import apply_status
from payment.services.personal_data import PATHS, NotOver, erase_person, export_person
from payment.services.transitions import lock_payment
from tests.harness import builders
from tests.harness.invariants import LAWS, query, violations
from tests.harness.races import while_uncommitted
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

OF_NOBODY = {
    **dict.fromkeys(
        ("booking.priestlanguage", "booking.priesthours", "booking.priestleave"),
        "the work of a priest, who is exported",
    ),
    "booking.closedperiod": "days of the temple; which of the staff closed them is no customer",
    "accounts.apikey": "of a program; the member of the staff who made it loses their name",
    "payment.webhookendpoint": "of a program, too",
    "payment.webhookdelivery": "its event names nobody",
    "booking.promocode": "a code is of the shop; the account that may use it loses its name",
    "booking.package": "catalogue",
    "booking.slot": "catalogue",
    "payment.gatewaycall": "no personal data, by its own rule",
    "payment.closure": "what staff decided about a day; its bookings are in payment.closureitem",
    "payment.disputeupdate": "what PhonePe and staff said of a dispute",
    "payment.settlementfile": "of PhonePe, by orders; of staff: who handed it in",
    "payment.cashclosing": "of staff: whose cash was counted",
    "payment.drawnreceipt": "drawn from the receipt; deleted when its person is erased",
}


@pytest.fixture
def paid(alice, cart):
    """Booked and held: the puja was yesterday."""
    alice.first_name, alice.last_name = "Asha", "Tripathi"
    alice.save()
    builders.make_address(alice, is_default=False)
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    PaymentAttempt.objects.update(next_check_at=None)
    Booking.objects.update(starts_at=timezone.now() - timedelta(days=1), status="COMPLETED")
    open_session(alice)
    return Payment.objects.get(pk=payment.pk)


def test_every_table_with_people_in_it_is_exported_or_has_its_reason():
    ours = [
        m
        for m in apps.get_models()
        if m._meta.app_label in ("accounts", "booking", "notifications", "payment")
    ]
    people = {User}
    while found := {
        model
        for model in ours
        if model not in people
        and any(
            f.remote_field and f.remote_field.model in people
            for f in [*model._meta.concrete_fields, *model._meta.many_to_many]
        )
    }:
        people |= found
    missing = {model._meta.label_lower for model in people - PATHS.keys()}
    assert missing <= OF_NOBODY.keys()


def test_the_export_has_all_of_it_and_no_secret(alice, paid, capsys):
    call_command("export_person", alice.email.upper())
    exported = json.loads(capsys.readouterr().out)
    assert {name for name, rows in exported.items() if rows} >= {
        *("accounts.user", "accounts.address", "accounts.session", "booking.cart", "booking.checkout"),
        *(
            "booking.booking",
            "payment.payment",
            "payment.paymentattempt",
            "payment.ledgerentry",
            "payment.receipt",
        ),
    }
    text = json.dumps(exported)
    assert alice.email in text
    assert paid.reference in text
    for secret in (alice.password, paid.attempts.get().page_url, Session.objects.get().user_hash):
        assert secret not in text


def test_the_export_of_one_person_holds_nothing_of_another(alice, charlie, paid, package):
    builders.make_cart(charlie, package)
    assert charlie.email not in json.dumps(export_person(alice.email))
    assert not export_person(charlie.email)["payment.payment"]


def test_after_the_erasure_nothing_names_the_person_and_the_money_is_still_there(alice, paid):
    email, phone = alice.email, alice.phone
    ledger = list(LedgerEntry.objects.values_list("reference", "amount_paise"))
    Notification.objects.update(state="SENT", next_check_at=None)

    call_command("erase_person", email, "--yes")

    text = all_columns()
    assert not [word for word in (email, phone, "Tripathi", "Asha", "Temple Road") if word and word in text]
    assert list(LedgerEntry.objects.values_list("reference", "amount_paise")) == ledger
    assert Receipt.objects.filter(payment=paid).exists()
    assert (Payment.objects.get(pk=paid.pk).state, find_violations()) == ("SUCCESS", [])
    assert violations(query, LAWS) == {}
    assert not Address.objects.exists()
    assert not Session.objects.exists()
    assert not User.objects.get(pk=alice.pk).is_active


def test_what_people_wrote_is_erased_with_them(alice, paid, staff):
    attempt = paid.attempts.get()
    attempt.refunds.create(
        payment=paid,
        merchant_refund_id="R1",
        amount_paise=100,
        state="FAILED",
        reason="cancelled: Asha Tripathi is ill",
    )
    for number, about in enumerate([{"attempt": attempt}, {"refund": attempt.refunds.get()}]):
        WebhookEvent.objects.create(
            digest=f"{number}",
            scheme="V2",
            claimed_state="COMPLETED",
            body=b'{"name": "Asha Tripathi"}',
            state="CLOSED",
            closed_because="Asha called",
            closed_by=staff,
            **about,
        )
    IdempotencyKey.objects.create(
        **dict.fromkeys(("route", "key_digest", "body_digest"), "x"),
        caller=f"user:{alice.pk}",
        lease=uuid4(),
        lease_until=timezone.now(),
        status_code=200,
        answer={"address": "12 Temple Road", "name": "Asha Tripathi"},
    )
    for row in (alice, Address.objects.first(), Booking.objects.get()):
        LogEntry.objects.create(
            user=staff,
            content_type=ContentType.objects.get_for_model(row),
            object_id=row.pk,
            object_repr="Asha Tripathi, Temple Road",
            action_flag=2,
        )
    Booking.objects.update(cancellation_reason="Asha is ill", moved_because="Asha is ill")
    Cart.objects.update(devotee_names=["Asha Tripathi"], wishes="for Asha")
    Checkout.objects.update(devotee_names=["Asha Tripathi"], wishes="for Asha")
    Notification.objects.update(state="SENT", next_check_at=None)

    assert len(export_person(alice.email)["payment.webhookevent"]) == 2
    erase_person(alice.email)

    assert not [word for word in ("Asha", "Tripathi", "Temple Road") if word in all_columns()]
    assert not IdempotencyKey.objects.exists()


def all_columns() -> str:
    rows = [
        {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}
        for model in apps.get_models()
        for row in model._base_manager.all()
    ]
    return repr(rows)


def test_nobody_is_erased_without_yes(alice, paid):
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("erase_person", alice.email)
    assert User.objects.filter(email=alice.email).exists()


def open_payment(payment):
    Payment.objects.filter(pk=payment.pk).update(fulfilment="REFUND_DUE")


def coming_booking(payment):
    Booking.objects.update(starts_at=timezone.now() + timedelta(days=1), status="CONFIRMED")


@pytest.mark.parametrize("what", [open_payment, coming_booking])
def test_what_is_not_over_refuses_with_a_sentence(alice, paid, what):
    what(paid)
    with pytest.raises(CommandError, match="of this person"):
        call_command("erase_person", alice.email, "--yes")
    assert User.objects.filter(email=alice.email).exists()
    assert Checkout.objects.get().user == alice


def test_a_payment_that_is_opened_meanwhile_refuses_the_erasure(alice, paid, package, slot):
    def click():
        lock_user(alice.pk)
        make_payment(builders.make_checkout(builders.make_cart(alice, package)))

    refused = while_uncommitted(click, lambda: erase_person(alice.email))
    assert isinstance(refused, NotOver)
    assert {payment.user.email for payment in Payment.objects.all()} == {alice.email}


WRITTEN_BY_A_PERSON = {
    "a checkout": lambda alice, cart, slot: builders.make_checkout(cart),
    "a donation": lambda alice, cart, slot: start_donation(alice, amount_paise=20_000, mobile="9876543210"),
    "a cart": lambda alice, cart, slot: change_cart(cart, wishes="for Asha"),
    "an address": lambda alice, cart, slot: add_address(
        alice, address_line1="4 Ganga Path", city="Gaya", state="Bihar", postal_code="823001"
    ),
    "a PAN": lambda alice, cart, slot: save(alice, "ABCPE1234F"),
    "a place on the waiting list": lambda alice, cart, slot: join(alice, slot.pk, cart.package_id),
}


@pytest.mark.parametrize("write", WRITTEN_BY_A_PERSON.values(), ids=WRITTEN_BY_A_PERSON)
def test_nothing_comes_to_an_account_that_is_erased_meanwhile(alice, paid, package, slot, phonepe, write):
    cart = builders.make_cart(alice, package)
    closed = while_uncommitted(lambda: erase_person(alice.email), lambda: write(alice, cart, slot))
    assert isinstance(closed, AccountClosed)
    assert not Address.objects.exists()
    assert not PanCard.objects.exists()
    assert Payment.objects.get() == paid


def test_an_outcome_and_an_erasure_take_their_locks_in_one_order(alice, paid):
    erased = while_uncommitted(
        lambda: lock_payment(pk=paid.pk),
        lambda: erase_person(alice.email),
        then=lambda: lock_user(alice.pk),
    )
    assert erased["accounts.user"] == 1


def test_staff_are_not_erased(staff):
    with pytest.raises(Refusal):
        erase_person(staff.email)


def test_a_guest_is_exported_and_erased_by_the_mail_they_gave(phonepe):
    guest = start_donation(
        None, amount_paise=20_000, reference="dina@example.com", mobile="9876543210"
    ).payment
    apply_status(guest.attempts.get().pk, completed(guest.amount_paise), "worker")
    PaymentAttempt.objects.update(next_check_at=None)
    assert export_person("Dina@example.com")["payment.payment"][0]["reference"] == guest.reference

    erase_person("dina@example.com")

    guest.refresh_from_db()
    assert (guest.payer_reference, guest.payer_mobile, guest.state) == ("", "", "SUCCESS")
    assert not Notification.objects.filter(email="dina@example.com").exists()


def test_the_pan_is_in_the_export_and_gone_after_the_erasure(alice, paid):
    save(alice, "ABCPE1234F")
    assert export_person(alice.email)["accounts.pancard"][0]["number"] == "ABCPE1234F"
    erase_person(alice.email)
    assert not Upload.objects.exists()
    assert not User.objects.get(pk=alice.pk).email.startswith("alice")


def test_an_unknown_address_is_said_to_be_unknown(db):
    for command in (["export_person"], ["erase_person", "--yes"]):
        with pytest.raises(CommandError, match="Nothing is stored"):
            call_command(command[0], "nobody@example.com", *command[1:])

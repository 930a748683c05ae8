"""Credit notes: one for each refund that completed, numbered without gaps in each financial year."""

import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from payment.gateways import RefundStatus
from payment.models import CreditNote, Receipt, ReceiptCounter, Refund, WorkLease
from payment.phonepe.enums import ProviderStatus
from payment.reconciliation.invariants import find_violations
from payment.services.monitoring import run_checks
from payment.services.outcomes import apply_status
from payment.services.receipts import create_credit_note, credit_note_pdf, number_credit_note
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import create_refund
from payment.states import RefundState
from tests.harness import builders
from tests.harness.invariants import query, violations
from tests.unit.payment.builders import FAILED, completed, make_attempt, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

CREDITED = RefundStatus(ProviderStatus.COMPLETED, utr="616200000099")


def paid(**fields):
    payment = make_payment(**fields)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return payment


def sent(refund):
    Refund.objects.filter(pk=refund.pk).update(state=RefundState.CREATED, sent_at=timezone.now())
    return refund


def refunded(payment, paise):
    attempt = payment.attempts.get(number=1)
    attempt.payment = payment
    refund = sent(create_refund(attempt, paise, "a gesture", asked_by=None))
    return apply_refund_status(refund.pk, CREDITED, "worker")


def numbers():
    return sorted(CreditNote.objects.values_list("number", flat=True))


def test_a_completed_refund_has_a_credit_note_for_its_receipt():
    payment = paid()
    refund = refunded(payment, 3_000)
    run_due(["credit_notes"])

    note = refund.credit_note
    note.refresh_from_db()
    assert (note.receipt, note.total_paise, note.issued_at) == (payment.receipt, 3_000, refund.decided_at)
    assert str(note).startswith("SIC/")
    assert str(note).endswith("/000001")
    assert len(str(note)) <= 16
    assert find_violations() == []
    assert violations(query) == {}


def test_a_refund_that_an_older_release_completed_gets_its_note_from_the_worker():
    """It has written the refund and the ledger, and knows no credit notes."""
    refund, kept = refunded(paid(), 3_000), refunded(paid(), 4_000)
    CreditNote.objects.filter(refund=refund).delete()
    assert find_violations() != []
    for _ in range(2):
        run_checks(1)
    run_due(["credit_notes"])

    assert find_violations() == []
    assert violations(query) == {}
    note = CreditNote.objects.get(refund=refund)
    assert (note.total_paise, note.issued_at) == (3_000, refund.decided_at)
    assert CreditNote.objects.filter(refund=kept).count() == 1


@pytest.mark.work_fails
def test_a_refund_that_can_have_no_note_stops_no_newer_one():
    """Its entry of the ledger is missing. It is tried later, and again: staff hear of it."""
    broken, fine = refunded(paid(), 3_000), refunded(paid(), 4_000)
    CreditNote.objects.all().delete()
    Refund.objects.filter(pk=broken.pk).update(merchant_refund_id="of-no-entry")
    for _ in range(2):
        run_checks(1)

    assert CreditNote.objects.get().refund == fine
    lease = WorkLease.objects.get(error__gt="")
    assert (lease.kind, lease.row, lease.tries) == ("missing credit notes", broken.pk, 1)
    assert lease.held_until > timezone.now()


def test_a_refund_that_is_under_way_has_none():
    payment = paid()
    attempt = payment.attempts.get()
    create_refund(attempt, 3_000, "a gesture", asked_by=None)

    assert not CreditNote.objects.exists()


def test_the_same_answer_twice_is_one_credit_note():
    refund = refunded(paid(), 3_000)
    apply_refund_status(refund.pk, CREDITED, "webhook")
    create_credit_note(refund, 3_000)

    assert CreditNote.objects.count() == 1


def test_what_was_paid_twice_had_no_receipt_to_correct():
    payment = paid()
    second = make_attempt(payment, 2)
    apply_status(second.pk, completed(payment.amount_paise), "worker")
    refund = sent(second.refunds.get())
    apply_refund_status(refund.pk, CREDITED, "worker")

    assert CreditNote.objects.get(refund=refund).receipt is None
    assert find_violations() == []


def test_a_refund_that_failed_has_none_and_the_one_that_replaces_it_has():
    payment = paid()
    refund = sent(create_refund(payment.attempts.get(), 3_000, "a gesture", asked_by=None))
    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.FAILED), "worker")
    another = sent(refund.replaced_by)
    apply_refund_status(another.pk, CREDITED, "worker")

    assert CreditNote.objects.get().refund == another


def test_credit_notes_are_counted_apart_from_receipts():
    payment = paid()
    refunded(payment, 3_000), refunded(payment, 2_000)
    while run_due(["receipts", "credit_notes"]):
        pass

    assert numbers() == [1, 2]
    assert Receipt.objects.get().number == 1
    assert set(ReceiptCounter.objects.values_list("last", flat=True)) == {1, 2}


@pytest.mark.postgresql
@pytest.mark.only_postgresql  # SQLite lets one writer in at a time
def test_numbers_have_no_gaps_though_several_take_them_at_once_and_some_fail():
    payments = [paid() for _ in range(8)]
    notes = [refunded(payment, 3_000).credit_note.pk for payment in payments]
    together = threading.Barrier(4)

    def take(mine):
        together.wait()
        for position, note_id in enumerate(mine):
            with transaction.atomic():
                number_credit_note(note_id)
                if position == 1:
                    transaction.set_rollback(True)
        connection.close()

    takers = [threading.Thread(target=take, args=(notes[n % 2 :: 2],)) for n in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    while run_due(["credit_notes"]):
        pass

    assert numbers() == list(range(1, 9))


def test_the_paper_is_printed_with_its_number_and_that_of_its_receipt(alice, cart):
    payment = paid(checkout=builders.make_checkout(cart))
    note = number_credit_note(refunded(payment, 3_000).credit_note.pk)
    name, content = credit_note_pdf(note, "en")

    assert name == f"credit-note-{str(note).replace('/', '-')}.pdf"
    assert content.startswith(b"%PDF")
    assert credit_note_pdf(note, "hi")[1].startswith(b"%PDF")
    payment.receipt.refresh_from_db()
    assert payment.receipt.number == 1  # it is named on the paper


def test_a_failed_order_has_no_credit_note():
    payment = make_payment()
    apply_status(payment.attempts.get().pk, FAILED, "worker")

    assert not CreditNote.objects.exists()


def test_a_second_credit_note_of_a_refund_is_refused_by_the_database():
    note = refunded(paid(), 3_000).credit_note
    note.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        note.save(force_insert=True)


def test_the_migration_numbers_the_notes_of_old_refunds_in_the_order_of_their_end():
    payment = paid()
    refunds = [refunded(payment, paise) for paise in (3_000, 2_000, 1_000)]
    begin = timezone.now()
    for days, refund in zip((3, 1, 2), refunds, strict=True):
        Refund.objects.filter(pk=refund.pk).update(decided_at=begin - timedelta(days=days))
    CreditNote.objects.all().delete()
    import_module("payment.migrations.0037_credit_notes_of_old_refunds").write_credit_notes(apps, None)

    numbered = CreditNote.objects.order_by("number").values_list("number", "total_paise", "receipt")
    receipt = payment.receipt.pk
    assert [*numbered] == [(1, 3_000, receipt), (2, 1_000, receipt), (3, 2_000, receipt)]
    number_credit_note(refunded(payment, 500).credit_note.pk)
    assert CreditNote.objects.latest("pk").number == 4
    assert find_violations() == []

"""The PDF of a receipt is drawn once and stored, however many ask for it and however often."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from fpdf import FPDF

from accounts.models import User
from booking.models import Booking
from notifications.models import Notification
from payment.models import DrawnReceipt, LedgerEntry, PaymentAttempt, WorkLease
from payment.services.leases import hold_lease
from payment.services.outcomes import apply_status
from payment.services.receipts import DRAWING, ReceiptBusy, drawing_slots, pdf, receipt_of
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def receipt(alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return receipt_of(payment)


@pytest.fixture
def drawings(monkeypatch):
    """The title of each PDF that was finished."""
    finished, output = [], FPDF.output

    def counted(document, *arguments, **options):
        finished.append(document.title)
        return output(document, *arguments, **options)

    monkeypatch.setattr(FPDF, "output", counted)
    return finished


def path(receipt):
    return f"/api/payments/payments/{receipt.payment_id}/receipt/"


def test_a_receipt_that_is_fetched_again_is_not_drawn_again(receipt, drawings, api, alice, staff):
    papers = {api(person).get(path(receipt)).content for person in (alice, alice, staff)}

    assert (len(papers), len(drawings)) == (1, 1)


def test_the_mail_and_the_download_are_one_paper(receipt, drawings, mailoutbox, api, alice):
    while run_due(["notifications"]):
        pass
    attached = [content for mail in mailoutbox for _, content, kind in mail.attachments if "pdf" in kind]

    assert attached == [api(alice).get(path(receipt)).content]
    assert len(drawings) == 1


def test_many_who_ask_at_once_for_one_receipt_cause_one_drawing(receipt, drawings):
    outcomes = at_once(*[lambda: pdf(receipt, "en")[1]] * 8)
    papers = {outcome for outcome in outcomes if isinstance(outcome, bytes)}

    assert (len(papers), len(drawings)) == (1, 1)
    assert all(isinstance(outcome, (bytes, ReceiptBusy)) for outcome in outcomes)
    assert bytes(DrawnReceipt.objects.get().content) in papers


@pytest.mark.slow  # waits for its turn
def test_who_cannot_wait_for_a_drawing_is_told_when_to_come_back(receipt, drawings, api, alice):
    with drawing_slots.reserve():
        answer = api(alice).get(path(receipt))

    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "receipt_busy", "2")
    assert answer.json()["retryable"]
    assert api(alice).get(path(receipt)).status_code == 200
    assert len(drawings) == 1


def test_no_two_processes_draw_the_same_receipt(receipt, drawings):
    drawn = DrawnReceipt.objects.create(receipt=receipt, language="en")
    with hold_lease(DRAWING, drawn.pk), pytest.raises(ReceiptBusy):  # the lease is another process's
        pdf(receipt, "en", 0)
    assert drawings == []
    assert pdf(receipt, "en", 0)[1].startswith(b"%PDF-")


def test_a_bug_while_drawing_is_told_as_one_and_blocks_no_later_drawing(
    receipt, drawings, api, alice, monkeypatch, caplog
):
    client = api(alice)
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(FPDF, "output", lambda *arguments, **options: {}["glyph"])
        answer = client.get(path(receipt))

    assert (answer.status_code, answer.json()["retryable"]) == (500, False)
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError]
    assert client.get(path(receipt)).content.startswith(b"%PDF-")
    assert len(drawings) == 1


@pytest.mark.work_fails
def test_a_bug_while_drawing_for_a_mail_is_a_counted_try(receipt, drawings, monkeypatch, mailoutbox):
    with monkeypatch.context() as broken:
        broken.setattr(FPDF, "output", lambda *arguments, **options: {}["glyph"])
        run_due(["notifications"])

    (lease,) = WorkLease.objects.filter(kind="notifications")
    assert (lease.tries, lease.error) == (1, "KeyError: 'glyph'")
    assert not WorkLease.objects.filter(kind=DRAWING).exists()


def test_a_receipt_that_another_process_has_just_stored_is_given_out(receipt, drawings):
    stored = pdf(receipt, "en")[1]
    wanted = DrawnReceipt.objects.get().digest
    DrawnReceipt.objects.update(digest="older")

    def store_before_the_lease(execute, sql, *arguments):
        if WorkLease._meta.db_table in sql:
            DrawnReceipt.objects.filter(digest="older").update(digest=wanted)
        return execute(sql, *arguments)

    with connection.execute_wrapper(store_before_the_lease):
        assert pdf(receipt, "en", 0)[1] == stored
    assert len(drawings) == 1


def test_a_mail_waits_a_little_for_a_receipt_that_is_being_drawn(receipt, monkeypatch, mailoutbox, caplog):
    monkeypatch.setattr("payment.services.notification_delivery.MAIL_WAITS", 0)
    Notification.objects.exclude(kind="booked").delete()
    with drawing_slots.reserve():
        run_due(["notifications"])

    waiting = Notification.objects.get()
    assert (waiting.state, waiting.checks, mailoutbox) == ("WAITING", 0, [])
    assert timezone.now() < waiting.next_check_at < timezone.now() + timedelta(seconds=31)
    assert not WorkLease.objects.filter(kind="notifications").exists()
    assert not [record for record in caplog.records if record.exc_info]
    Notification.objects.update(next_check_at=timezone.now())
    run_due(["notifications"])
    assert [name for name, _, _ in mailoutbox[0].attachments][:1] == [pdf(receipt, "en")[0]]


def test_a_stored_receipt_is_given_out_while_another_one_is_drawn(receipt, drawings, api, alice):
    stored = api(alice).get(path(receipt)).content
    with drawing_slots.reserve():
        assert api(alice).get(path(receipt)).content == stored


def rename(receipt):
    User.objects.update(first_name="Alicia")


def move(receipt):
    Booking.objects.update(starts_at=receipt.payment.checkout.starts_at + timedelta(days=1))


def cancel(receipt):
    Booking.objects.update(status=Booking.Status.CANCELLED)


def give_back(receipt):
    attempt = PaymentAttempt.objects.get(payment=receipt.payment)
    kind = LedgerEntry.Kind.REFUND
    LedgerEntry.objects.create(
        payment=receipt.payment, attempt=attempt, kind=kind, amount_paise=-100, reference="R1"
    )


@pytest.mark.parametrize("change", [rename, move, cancel, give_back])
def test_a_receipt_whose_facts_have_changed_is_drawn_anew(receipt, drawings, api, alice, change):
    before = api(alice).get(path(receipt)).content
    change(receipt)
    after = api(alice).get(path(receipt)).content

    assert before != after
    assert api(alice).get(path(receipt)).content == after
    assert len(drawings) == 2
    assert DrawnReceipt.objects.count() == 1  # the old one is replaced


@pytest.mark.parametrize(("setting", "value"), [("RECEIPT_ISSUER", ["Another"]), ("BUILD", "another")])
def test_another_issuer_or_other_code_draws_it_anew(receipt, drawings, settings, setting, value):
    pdf(receipt, "en")
    setattr(settings, setting, value)
    pdf(receipt, "en")

    assert len(drawings) == 2


def test_another_version_of_the_library_draws_it_anew(receipt, drawings, monkeypatch):
    pdf(receipt, "en")
    monkeypatch.setattr("notifications.receipt.LIBRARIES", ("another version",))
    pdf(receipt, "en")

    assert len(drawings) == 2


def test_each_language_has_a_paper_of_its_own(receipt, drawings):
    assert pdf(receipt, "en")[1] != pdf(receipt, "hi")[1]
    assert pdf(receipt, "fr")[1] == pdf(receipt, "en")[1]
    assert len(drawings) == 2

"""The PDF of a receipt is drawn once and stored, however many ask for it and however often."""

from datetime import timedelta

import pytest
from fpdf import FPDF

from accounts.models import User
from booking.models import Booking
from payment.models import DrawnReceipt, LedgerEntry, PaymentAttempt
from payment.services.leases import lease_row
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


def test_who_cannot_wait_for_a_drawing_is_told_when_to_come_back(receipt, drawings, api, alice):
    with drawing_slots.reserve():
        answer = api(alice).get(path(receipt))

    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "receipt_busy", "2")
    assert answer.json()["retryable"]
    assert api(alice).get(path(receipt)).status_code == 200
    assert len(drawings) == 1


def test_no_two_processes_draw_the_same_receipt(receipt, drawings):
    drawn = DrawnReceipt.objects.create(receipt=receipt, language="en")
    with lease_row(DRAWING, drawn.pk), pytest.raises(ReceiptBusy):  # the lease is another process's
        pdf(receipt, "en", 0)
    assert drawings == []
    assert pdf(receipt, "en", 0)[1].startswith(b"%PDF-")


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


def test_each_language_has_a_paper_of_its_own(receipt, drawings):
    assert pdf(receipt, "en")[1] != pdf(receipt, "hi")[1]
    assert pdf(receipt, "fr")[1] == pdf(receipt, "en")[1]
    assert len(drawings) == 2

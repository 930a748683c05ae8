"""Receipts and credit notes on a page of their own; donations with masked PANs, and whole ones for Form 10BD."""

import csv
import io
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from backoffice.views import papers
from payment.models import CreditNote, Donation, LedgerEntry, PaymentAttempt, Receipt
from payment.models.receipts import financial_year
from payment.services.donations import Donor, build_donation
from payment.services.outcomes import apply_status
from payment.services.receipts import number_credit_note, number_receipt
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.services.test_credit_notes import refunded

pytestmark = pytest.mark.django_db(transaction=True)
PAPERS, DONATIONS = "/admin/desk/papers/", "/admin/desk/donations/"
PAN, OTHER_PAN = "ABCPE1234F", "ZZZPE9876Q"
AMOUNT, IS_PAN = "Amount of donation (Indian rupees)", "Permanent Account Number"
# The table of Form 10BD as the portal of the tax office gives it out, and two columns of ours.
FORM_10BD = (
    *("Sl. No.", "Pre Acknowledgement Number", "ID Code", "Unique Identification Number", "Section Code"),
    *("Unique Registration Number (URN)", "Date of Issuance of Unique Registration Number"),
    *("Name of donor", "Address of donor", "Donation Type", "Mode of receipt", AMOUNT),
    *("mail", "receipts"),
)


@pytest.fixture(autouse=True)
def real_money(settings):
    settings.PHONEPE_SIMULATION_MODE = False


def paid(payment):
    PaymentAttempt.objects.filter(payment=payment).update(simulated=False)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    number_receipt(payment.receipt.pk)
    payment.receipt.refresh_from_db()
    return payment


def gift(name, paise, pan="", email="donor@example.com", address=""):
    payment = make_payment(amount_paise=paise, payer_reference=name)
    donor = Donor(email=email, purpose="Annadan", pan=pan, address=address)
    build_donation(payment, donor).save(force_insert=True)
    return paid(payment)


def numbers_on(page):
    return [str(row[0]) for row in page.context["rows"]]


def test_receipts_and_credit_notes_are_found_by_every_number_and_printed(desk, cart):
    payment, other = paid(make_payment(builders.make_checkout(cart))), gift("Asha", 50_100)
    refund = refunded(payment, 30_000)
    note = number_credit_note(CreditNote.objects.get().pk)
    accountant = desk("Accountant")

    both = [str(other.receipt), str(payment.receipt)]
    assert numbers_on(accountant.get(PAPERS)) == both
    for text in (str(payment.receipt), str(payment.receipt).lower(), payment.reference):
        assert numbers_on(accountant.get(PAPERS, {"q": text})) == both[1:], text
        assert accountant.get(PAPERS, {"q": text}).content.decode().count(f'value="{text}"') == 1
    for text in (str(note), refund.merchant_refund_id, payment.reference):
        assert numbers_on(accountant.get(PAPERS, {"kind": "credit-notes", "q": text})) == [str(note)], text
    page = accountant.get(PAPERS, {"kind": "credit-notes"})
    assert str(payment.receipt) in page.content.decode()
    [[_paper, _payment, _moment, pdf]] = page.context["rows"]
    assert accountant.get(pdf).content.startswith(b"%PDF")
    assert numbers_on(accountant.get(PAPERS, {"q": "OKP/26-27/999999"})) == []


@pytest.mark.parametrize("query", ["kind=money", "before=x", "before=-1", "before=99999999999999999999"])
def test_an_address_that_means_nothing_is_not_found(desk, query):
    assert desk("Owner").get(f"{PAPERS}?{query}").status_code == 404


def test_papers_and_donations_are_turned_page_by_page_at_constant_cost(
    desk, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(papers, "ON_A_PAGE", 2)
    gifts = [gift(f"Donor {number}", 10_000, PAN) for number in range(2)]
    accountant = desk("Accountant")
    for address, key in ((PAPERS, "before"), (DONATIONS, "below")):
        accountant.get(address)
        with CaptureQueriesContext(connection) as few:
            accountant.get(address)
        assert len(few) <= 6  # the session, its owner, their second factor and rights, the rows
        gifts += [gift("Another", 10_000, PAN) for _ in range(3)]
        with django_assert_num_queries(len(few)):
            first = accountant.get(address)
        assert first.context["following"]
        second = accountant.get(address, {key: first.context["following"]})
        assert second.status_code == 200
        assert second.context["following"] != first.context["following"]


def test_pans_are_masked_on_the_page_and_whole_in_the_export_of_who_may(desk):
    gift("Asha Devi", 50_100, PAN)
    gift("ASHA DEVI", 20_000, PAN, email="other@example.com")
    gift("Ravi", 10_000, OTHER_PAN)
    nobody = gift("", 5_100, email="")
    year = financial_year(nobody.receipt.received_at)
    manager, accountant = desk("Manager"), desk("Accountant")
    page = manager.get(DONATIONS)

    assert "XXXXX1234X" in page.content.decode()
    assert PAN not in page.content.decode()
    assert "Form 10BD" not in page.content.decode()
    assert manager.post(DONATIONS, {"year": year, "file": "csv"}).status_code == 403
    assert desk("Support").get(DONATIONS).status_code == 403
    answer = accountant.post(DONATIONS, {"year": year, "file": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode().lstrip("\ufeff"))))
    assert [(row["Unique Identification Number"], row["ID Code"], row[AMOUNT]) for row in rows] == [
        (PAN, IS_PAN, "701.00"),
        (OTHER_PAN, IS_PAN, "100.00"),
        ("", "", "51.00"),
    ]
    assert sum(Decimal(row[AMOUNT]) for row in rows) * 100 == money()
    assert LogEntry.objects.filter(object_repr__startswith="form-10bd").count() == 1
    assert b"".join(accountant.post(DONATIONS, {"year": year, "file": "xlsx"})).startswith(b"PK")


def test_a_row_of_form_10bd_has_what_the_portal_asks_for(desk):
    gift("Asha", 50_100, PAN, address="4 Nayi Sadak, Varanasi 221001")
    year = financial_year(
        gift("Asha", 10_000, PAN, address="12 Assi Ghat, Varanasi 221005").receipt.received_at
    )
    answer = desk("Accountant").post(DONATIONS, {"year": year, "file": "csv"})
    rows = csv.DictReader(io.StringIO(b"".join(answer).decode().lstrip("\ufeff")))
    assert rows.fieldnames == [*FORM_10BD]
    [row] = rows
    assert [*row.values()][:-2] == [
        *("1", "", IS_PAN, PAN, "Section 80G", "", "", "Asha", "12 Assi Ghat, Varanasi 221005", "Others"),
        *("Electronic modes including account payee cheque/draft", "601.00"),
    ]


def test_staff_fill_in_what_only_they_know_of_form_10bd(desk):
    """The number and the date of the approval, and addresses of donors whom an earlier release had not asked."""
    old, new = gift("Asha", 50_100, PAN), gift("Asha", 10_000, PAN)
    gift("Ravi", 5_100)  # no PAN: needs no address
    accountant, year = desk("Accountant"), old.receipt.year
    lacking = {"year": year, "lacking": "address"}
    lines = accountant.get(DONATIONS, lacking).context["lines"]
    assert [line.receipt.number for line in lines] == [new.receipt.number, old.receipt.number]
    page = reverse("desk:donor-address", args=[old.donation.pk])
    assert page in accountant.get(DONATIONS).content.decode()
    assert page not in desk("Manager").get(DONATIONS).content.decode()

    assert accountant.post(page, {"address": " "}).status_code == 200
    assert accountant.post(page, {"address": "12 Assi Ghat, Varanasi 221005"}).status_code == 302
    asked = {"year": year, "registration": "AAATO1234AF20261", "registered_on": "2026-04-28", "file": "csv"}
    [row, _ravi] = csv.DictReader(io.StringIO(b"".join(accountant.post(DONATIONS, asked)).decode()))
    assert row["Unique Registration Number (URN)"] == "AAATO1234AF20261"
    assert row["Date of Issuance of Unique Registration Number"] == "28/04/2026"
    assert row["Address of donor"] == "12 Assi Ghat, Varanasi 221005"
    assert accountant.get(DONATIONS, lacking).context["lines"] == []  # one address is enough for both
    gift("Meera", 20_000, OTHER_PAN)
    assert [line.name for line in accountant.get(DONATIONS, lacking).context["lines"]] == ["Meera"]
    assert "Assi" not in str([*LogEntry.objects.values_list("change_message", flat=True)])
    wrong = accountant.post(DONATIONS, asked | {"registered_on": "soon"})
    assert (wrong.status_code, "AAATO1234AF20261" in wrong.content.decode()) == (200, True)


def test_an_address_is_written_for_a_paid_donation_with_a_pan_only(desk):
    unpaid = make_payment(payer_reference="Asha")
    build_donation(unpaid, Donor(pan=PAN)).save(force_insert=True)
    for donation in gift("Ravi", 5_100).donation, unpaid.donation:
        page = reverse("desk:donor-address", args=[donation.pk])
        assert desk("Accountant").post(page, {"address": "12 Assi Ghat"}).status_code == 404


def test_what_went_back_is_no_donation(desk):
    gone, partly = gift("Asha", 50_000, PAN), gift("Ravi", 20_000, OTHER_PAN)
    refunded(gone, 50_000)
    refunded(partly, 5_000)
    year = financial_year(gone.receipt.received_at)
    accountant = desk("Accountant")
    lines = accountant.get(DONATIONS, {"year": year}).context["lines"]
    lacking = accountant.get(DONATIONS, {"year": year, "lacking": "address"}).context["lines"]

    assert [(line.paise, line.back_paise) for line in lines] == [(20_000, 5_000), (50_000, 50_000)]
    assert [line.paise for line in lacking] == [20_000]  # nobody is asked where they live for the other
    answer = accountant.post(DONATIONS, {"year": year, "file": "csv"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer).decode().lstrip("\ufeff"))))
    assert [row[AMOUNT] for row in rows] == ["150.00"]
    assert money() == 15_000


def test_the_year_is_that_of_india_wherever_the_server_is(desk, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    receipt = gift("Asha", 50_000, PAN).receipt
    answer = desk("Accountant").post(DONATIONS, {"year": receipt.year, "file": "csv"})
    assert str(receipt) in b"".join(answer).decode()


def test_a_pan_that_cannot_be_read_is_no_identification(desk):
    receipt = gift("Asha", 50_000, PAN).receipt
    Donation.objects.update(pan="of a key that is lost")
    answer = desk("Accountant").post(DONATIONS, {"year": receipt.year, "file": "csv"})
    [row] = csv.DictReader(io.StringIO(b"".join(answer).decode().lstrip("\ufeff")))
    assert (row["ID Code"], row["Unique Identification Number"]) == ("", "?")


def test_another_year_has_its_own_donors(desk):
    year = financial_year(gift("Asha", 50_000, PAN).receipt.received_at)
    assert desk("Owner").get(DONATIONS, {"year": year - 1}).context["lines"] == []
    assert desk("Owner").get(DONATIONS, {"year": "soon"}).context["year"] == year


@pytest.mark.parametrize("year", ["soon", "", "-1", "99999"])
def test_no_file_is_made_of_a_year_that_cannot_be_read(desk, year):
    for file in "csv", "xlsx":
        assert desk("Accountant").post(DONATIONS, {"year": year, "file": file}).status_code == 404
    assert not LogEntry.objects.filter(object_repr__startswith="form-10bd").exists()


def test_the_page_of_papers_is_in_the_navigation_of_who_may_see_them(desk):
    for role, sees in (("Support", True), ("Coordinator", False)):
        page = desk(role).get(reverse("desk:tables")).content.decode()
        assert (f'href="{PAPERS}"' in page) == sees, role


def money():
    """What donors gave and have not got back, by the ledger."""
    series = Receipt.Series.DONATION
    return LedgerEntry.objects.filter(payment__receipt__series=series).aggregate(sum=Sum("amount_paise"))[
        "sum"
    ]

"""Dakshina: a donation from our own page, its receipt, and what becomes of the donor's PAN."""

import re

import pytest
from django.core import mail
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection
from django.utils import translation
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from payment.models import Donation, Payment, PaymentAttempt, Receipt
from payment.services.donations import pan_of
from payment.services.links import status_url
from payment.services.personal_data import erase_person, export_person
from payment.services.receipts import receipt_document, receipt_of
from tests.harness import builders
from tests.unit.payment.builders import make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)
PAN, ADDRESS = "ABCPE1234F", "12 Assi Ghat, Varanasi 221005"
GIFT = {"amount": "501", "other": "", "name": "Meera Sinha", "email": "Meera@Example.com", "address": ADDRESS}


@pytest.fixture(autouse=True)
def open_page(shop, settings):
    settings.DONATION_PAGE = True
    settings.DONATION_AMOUNTS = [101, 501]
    settings.DONATION_PURPOSES = [("Food for pilgrims", "तीर्थयात्रियों का भोजन"), ("The temple", "")]
    settings.DONATION_80G = ["Approved under section 80G: AAATX1234XF20214"]


def give(visitor, **fields):
    visitor.get("/donate/")
    return visitor.post("/donate/", GIFT | {"purpose": "0"} | fields)


def pays(phonepe):
    """The last donation is paid, and the worker has told its donor."""
    phonepe.decide(PaymentAttempt.objects.latest("pk").merchant_order_id)
    payment = Payment.objects.latest("pk")
    PaymentAttempt.objects.filter(payment=payment).update(next_check_at=payment.created_at)
    run_due(("attempts", "notifications"))
    payment.refresh_from_db()
    return payment


def receipt(payment, language="en"):
    with translation.override(language):
        return receipt_document(receipt_of(payment), language)


def test_a_gift_is_paid_told_and_receipted(visitor, phonepe):
    assert give(visitor, pan=" abcpe 1234f ").status_code == 303
    assert visitor.page.url == PaymentAttempt.objects.get().page_url
    payment = pays(phonepe)

    assert (payment.amount_paise, payment.fulfilment, payment.user) == (50_100, "GIFT", None)
    written = receipt(payment)
    assert written.is_donation
    assert (written.payer, written.purpose) == ("Meera Sinha, meera@example.com", "Food for pilgrims")
    assert (written.pan, written.notes) == ("XXXXX1234X", ("Approved under section 80G: AAATX1234XF20214",))
    [told] = [each for each in mail.outbox if each.to == ["meera@example.com"]]
    assert "Food for pilgrims" in told.body
    assert [each[0] for each in told.attachments if each[0].endswith(".pdf")]

    visitor.get(status_url(payment).removeprefix("http://testserver"))
    assert "Food for pilgrims" in visitor.text
    [link] = re.findall(r'href="http://testserver(/pay/[^"]+/receipt/)"', visitor.text)
    assert visitor.get(link)["Content-Type"] == "application/pdf"


def test_receipts_of_donations_have_numbers_of_their_own(visitor, phonepe):
    give(visitor)
    Payment.objects.update(simulated=False)
    assert str(receipt_of(pays(phonepe))).startswith("DON/")
    assert {each.series for each in Receipt.objects.all()} == {Receipt.Series.DONATION}


@pytest.mark.parametrize(
    ("amount", "other", "paise"),
    [("501", "", 50_100), ("other", "1,100", 110_000), ("", " ₹ 75 ", 7_500), ("other", "२५१", 25_100)],
)
def test_the_amount_is_chosen_or_written(visitor, amount, other, paise):
    assert give(visitor, amount=amount, other=other).status_code == 303
    assert Payment.objects.get().amount_paise == paise


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "501", "other": "700"},
        {"amount": "", "other": ""},
        {"amount": "other", "other": ""},
        {"amount": "502"},
        {"amount": "other", "other": "-5"},
        {"amount": "other", "other": "0"},
        {"amount": "other", "other": "12.5"},
        {"amount": "other", "other": "²"},
        {"amount": "other", "other": "50001"},
        {"purpose": "2"},
        {"purpose": ""},
        {"name": ""},
        {"name": "win at evil.com/x"},
        {"email": "nobody"},
        {"pan": "ABCDE12345"},
        {"pan": "XXXXX1234X9"},
        {"pan": PAN, "address": " "},
        {"pan": PAN, "address": "win at evil.com/x"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_takes_no_money_and_keeps_what_was_typed(visitor, wrong):
    answer = give(visitor, **wrong)
    assert (answer.status_code, Payment.objects.exists()) == (400, False)
    assert 'role="alert"' in visitor.text
    if "name" not in wrong:
        assert "Meera Sinha" in visitor.text


def test_without_its_setting_there_is_no_page_and_no_link(visitor, settings):
    assert "/donate/" in visitor.get("/").content.decode()
    settings.DONATION_PAGE = False
    caches["pages"].clear()
    assert visitor.get("/donate/").status_code == 404
    assert "/donate/" not in visitor.get("/").content.decode()
    assert visitor.client.post("/donate/", GIFT).status_code in (403, 404)
    assert not Payment.objects.exists()


def test_without_the_approval_nobody_is_asked_for_a_pan(visitor, settings):
    settings.DONATION_80G = []
    give(visitor, pan=PAN)
    assert "PAN" not in visitor.get("/donate/").content.decode()
    assert (Donation.objects.get().pan, Donation.objects.get().address) == ("", "")


def test_an_address_is_kept_with_a_pan_only(visitor):
    give(visitor)
    give(visitor, pan=PAN)
    assert [*Donation.objects.order_by("pk").values_list("address", flat=True)] == ["", ADDRESS]


def test_a_person_who_is_signed_in_gives_under_their_account(visitor, alice, phonepe):
    User.objects.filter(pk=alice.pk).update(language="hi")
    visitor.sign_in(alice.email)
    mail.outbox.clear()
    give(visitor, email="somebody@else.example", name="आशा देवी")
    payment = pays(phonepe)

    assert payment.user == alice
    assert receipt(payment, "hi").payer == f"आशा देवी, {alice.email}"
    assert receipt(payment, "hi").purpose == "तीर्थयात्रियों का भोजन"
    assert [each.to for each in mail.outbox] == [[alice.email]]
    assert "तीर्थयात्रियों का भोजन" in mail.outbox[0].body


def test_an_address_that_anybody_typed_hears_of_money_only(visitor, phonepe):
    give(visitor)
    phonepe.decide(PaymentAttempt.objects.get().merchant_order_id, "failure")
    PaymentAttempt.objects.update(next_check_at=Payment.objects.get().created_at)
    run_due(("attempts", "notifications"))
    assert Payment.objects.get().state == "FAILED"
    assert mail.outbox == []


def test_a_second_try_is_for_the_same_purpose_by_the_same_donor(visitor, phonepe):
    give(visitor, pan=PAN)
    phonepe.decide(PaymentAttempt.objects.get().merchant_order_id, "failure")
    PaymentAttempt.objects.update(next_check_at=Payment.objects.get().created_at)
    run_due(("attempts", "notifications"))
    visitor.get(status_url(Payment.objects.get()).removeprefix("http://testserver"))
    visitor.post(visitor.page.request["PATH_INFO"])

    first, second = Donation.objects.order_by("pk")
    assert (second.purpose, second.email, pan_of(second)) == (first.purpose, first.email, PAN)
    assert second.address == ADDRESS
    assert first.payment.pk != second.payment.pk


def test_the_pan_is_encrypted_and_read_by_its_own_payment_only(visitor, settings, capsys):
    give(visitor, pan=PAN)
    donation = Donation.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM payment_donation")
        assert "1234" not in repr(cursor.fetchall()).replace(str(donation.payment_id), "")
    settings.DATA_KEYS = ["a-new-key"]
    call_command("reencrypt_pan_cards")
    assert "1 encrypted" in capsys.readouterr().out
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-" * 8, []
    donation.refresh_from_db()
    assert pan_of(donation) == PAN


def test_a_donor_is_exported_and_erased_by_their_address(visitor, phonepe):
    give(visitor, pan=PAN)
    pays(phonepe)
    PaymentAttempt.objects.update(next_check_at=None)
    assert export_person("meera@example.com")["payment.donation"][0]["pan"] == PAN
    erase_person("meera@example.com")
    donation = Donation.objects.select_related("payment").get()
    assert (donation.email, donation.pan, donation.address, donation.payment.payer_reference) == ("",) * 4


def test_the_receipt_of_a_booking_is_not_behind_the_link_of_its_status(visitor, alice, package):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package)))
    path = status_url(payment).removeprefix("http://testserver")
    assert visitor.get(f"{path}receipt/").status_code == 404


def test_gifts_are_counted_by_network(visitor, settings, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "guest_payment", "1/min")
    assert give(visitor).status_code == 303
    assert give(visitor).status_code == 429
    assert Payment.objects.count() == 1

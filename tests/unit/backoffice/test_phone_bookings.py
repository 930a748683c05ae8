"""Bookings on the phone, links, cash and settlement files, as staff see them."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from booking.models import Booking
from payment.models import CashClosing, LedgerEntry, PayLink, SettlementFile
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "/admin/desk/phone/"


def key_of(page):
    return re.search(r'name="key" value="([0-9a-f-]{36})"', page.content.decode())[1]


@pytest.fixture
def first(package, slot):
    def fields(page, **more):
        given = {"phone": "98765 00077", "name": "Asha", "email": "asha@example.com", "package": package.pk}
        given |= {
            "line1": "12 Assi Ghat",
            "city": "Varanasi",
            "state": "Uttar Pradesh",
            "postal_code": "221005",
        }
        return {**given, "key": key_of(page), **more}

    return fields


def last(slot, fields, **more):
    return {**fields, "start": timezone.localtime(slot.starts_at).isoformat(), "means": "LINK", **more}


def test_a_booking_on_the_phone_is_a_link_to_send(desk, first, slot, phonepe):
    support = desk("Support")
    fields = first(support.get(PHONE))
    times = support.post(PHONE, fields)
    assert timezone.localtime(slot.starts_at).isoformat() in times.content.decode()
    made = support.post(PHONE, last(slot, fields))

    link = PayLink.objects.get()
    assert made.url == reverse("desk:pay-link", args=[link.pk])
    page = support.get(made.url).content.decode()
    assert "https://wa.me/919876500077?text=Namaste" in page
    assert "/pay/link/" in page
    assert support.post(PHONE, last(slot, fields)).url == made.url  # the same form twice
    assert "not opened yet" in support.get(PHONE).content.decode()
    person = reverse("desk:person", args=[link.checkout.user_id])
    again = f"{PHONE}?person={link.checkout.user_id}"
    assert again in support.get(person).content.decode()
    form = support.get(again).context["form"]
    assert [form[name].value() for name in ("phone", "name", "email")] == [
        "+919876500077",
        "Asha",
        "asha@example.com",
    ]
    support.post(made.url, {"sure": "1"})
    slot.refresh_from_db()
    assert slot.held == 0


def test_times_are_shown_from_a_chosen_day_on(desk, first, slot, phonepe, monkeypatch):
    monkeypatch.setattr("backoffice.phone_forms.MOST_TIMES", 1)
    later = builders.make_slot(slot.service, days=40)
    day, support = f"{timezone.localdate(later.starts_at)}", desk("Support")
    fields = first(support.get(PHONE))
    shown = support.post(PHONE, {**fields, "day": day}).content.decode()

    assert timezone.localtime(slot.starts_at).isoformat() not in shown
    assert f'name="day" value="{day}"' in shown
    support.post(PHONE, last(later, fields, day=day))
    assert PayLink.objects.get().checkout.starts_at == later.starts_at


def test_the_money_of_a_link_is_taken_at_the_counter(desk, first, slot, phonepe):
    support, coordinator = desk("Support"), desk("Coordinator")
    made = support.post(PHONE, last(slot, first(support.get(PHONE)))).url
    page = support.get(made)
    taken = {"means": "CASH", "reference": "slip 7", "key": key_of(page)}
    assert "They pay here instead" not in coordinator.get(made).content.decode()
    assert coordinator.post(made, taken).status_code == 403
    answer = support.post(made, taken)

    booking = Booking.objects.get()
    assert answer.url == reverse("desk:booked", args=[booking.book_id])
    assert support.post(made, taken).url == answer.url  # the same form twice
    assert LedgerEntry.objects.get().by_hand.reference == "slip 7"
    other_form = taken | {"key": "00000000-0000-4000-8000-000000000001"}
    refused = support.post(made, other_form, follow=True)
    assert "do not take the money" in refused.content.decode()
    assert "They pay here instead" not in support.get(made).content.decode()


def test_cash_at_the_counter_is_booked_counted_and_closed(desk, first, slot):
    support = desk("Support")
    fields = first(support.get(PHONE))
    made = support.post(PHONE, last(slot, fields, means="CASH", reference="slip 7"))
    booking = Booking.objects.get()
    assert made.url == reverse("desk:booked", args=[booking.book_id])
    assert booking.book_id in support.get(made.url).content.decode()

    cash = reverse("desk:cash")
    entry = LedgerEntry.objects.get().by_hand
    assert "₹1,100.00" in support.get(cash).content.decode()
    count = {"person": entry.person_id, "shown": 110_000, "counted": "1090.00", "reason": ""}
    refused = support.post(cash, count).content.decode()
    assert 'value="1090.00"' in refused  # it needs a reason, and is not typed again
    assert not CashClosing.objects.exists()
    support.post(cash, {**count, "counted": "1100.00"})
    assert CashClosing.objects.get().difference_paise == 0


def test_a_coordinator_sends_links_and_takes_no_money(desk, first, slot):
    coordinator = desk("Coordinator")
    fields = first(coordinator.get(PHONE))
    answer = coordinator.post(PHONE, last(slot, fields, means="CASH"))

    assert answer.status_code == 200
    assert not LedgerEntry.objects.exists()


def test_who_has_booked_before_is_not_asked_for_the_address_again(desk, first, package, alice):
    support, known = desk("Support"), {"phone": "9876500077", "email": alice.email, "package": package.pk}
    page = support.post(PHONE, {**known, "key": key_of(support.get(PHONE))}).content.decode()
    assert "12 Temple Road" in page
    User.objects.filter(pk=alice.pk).update(phone="+919876500077")
    by_phone = {"phone": "98765 00077", "package": package.pk, "key": key_of(support.get(PHONE))}
    assert alice.full_name in support.post(PHONE, by_phone).content.decode()  # "Do I speak with …?"
    coordinator = desk("Coordinator")  # may book, and may not look into accounts
    for fields in known, by_phone:
        shown = coordinator.post(PHONE, {**fields, "key": by_phone["key"]}).content.decode()
        assert "12 Temple Road" not in shown
        assert alice.full_name not in shown
    staff = builders.make_staff("Owner")
    builders.make_address(staff, address_line1="7 Own Road")
    shown = support.post(PHONE, {**known, "email": staff.email, "key": key_of(support.get(PHONE))})
    assert "7 Own Road" not in shown.content.decode()


def test_a_full_time_is_said_beside_the_form(desk, first, slot, package):
    support = desk("Support")
    fields = first(support.get(PHONE))
    type(slot).objects.update(capacity=1, booked=1)
    answer = support.post(PHONE, last(slot, fields, means="CASH"))

    assert answer.status_code == 200
    assert not Booking.objects.exists()


def test_a_large_difference_is_confirmed_by_another_person(desk, first, slot):
    support, accountant = desk("Support"), desk("Accountant")
    support.post(PHONE, last(slot, first(support.get(PHONE)), means="CASH"))
    person = LedgerEntry.objects.get().by_hand.person_id
    cash = reverse("desk:cash")
    shown = support.get(cash).content.decode()
    assert Booking.objects.get().book_id in shown  # what the sum is made of
    count = {"person": person, "shown": 110_000, "counted": "10.00", "reason": "robbed"}
    support.post(cash, count)
    wrong = {"again": CashClosing.objects.get().pk, "sure": "1"}
    assert support.post(cash, wrong).status_code == 403  # who counted does not take it back
    assert 'name="again"' not in support.get(cash).content.decode()
    assert "open again" in accountant.post(cash, wrong, follow=True).content.decode()
    assert not CashClosing.objects.exists()
    for late in wrong, {"confirm": wrong["again"]}:  # a second click, or a page from before
        assert "not waiting" in accountant.post(cash, late, follow=True).content.decode()
    support.post(cash, count)
    closing = CashClosing.objects.get()
    assert closing.needs_second_person
    assert support.post(cash, {"confirm": closing.pk}).status_code == 403
    assert 'name="confirm"' not in support.get(cash).content.decode()
    accountant.post(cash, {"confirm": closing.pk})
    closing.refresh_from_db()
    assert closing.confirmed_by is not None


def test_money_that_goes_back_by_hand_is_entered(desk, first, slot):
    support = desk("Support")
    support.post(PHONE, last(slot, first(support.get(PHONE)), means="CASH"))
    refund = cancel_booking(Booking.objects.get(), "ill", in_full=True)
    back = reverse("desk:handed-over")
    page = support.get(back)
    support.post(back, {"refund": refund.pk, "means": "CASH", "reference": "", "key": key_of(page)})

    refund.refresh_from_db()
    assert refund.state == "COMPLETED"
    assert "Nothing is to be given back" in support.get(back).content.decode()


HEAD = "Payment Type,Merchant Reference ID,Amount,Fee,IGST,CGST,SGST\n"


def test_a_settlement_file_is_compared_and_its_fees_entered_by_one_click_once(desk, alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    apply_status(attempt.pk, completed(), "worker")
    attempt.refresh_from_db()
    accountant, day = desk("Accountant"), timezone.localdate().isoformat()
    text = f"{HEAD}PAYMENT,{attempt.merchant_order_id},1100.00,-20.00,-3.60,0,0\n".encode()

    def upload():
        file = SimpleUploadedFile("settlement.csv", text)
        return accountant.post(reverse("desk:settlements"), {"day": day, "file": file})

    page = upload().url
    shown = accountant.get(page).content.decode()
    assert "fee not entered" in shown
    assert not LedgerEntry.objects.filter(kind="FEE").exists()
    mend = re.search(r'name="mend" value="([0-9a-f]{32})"', shown)[1]
    for _ in range(2):
        accountant.post(page, {"mend": mend})
    assert sorted(LedgerEntry.objects.filter(kind="FEE").values_list("amount_paise", flat=True)) == [
        -2_000,
        -360,
    ]
    assert upload().url == page  # the same file is the same row
    assert SettlementFile.objects.count() == 1
    assert "agree" in accountant.get(page).content.decode()


def test_what_is_no_settlement_file_is_said_beside_the_form(desk):
    for content in (b"PK\x03\x04", b"\xff\xfe", b"a,b\n1,2\n"):
        file = SimpleUploadedFile("x.csv", content)
        answer = desk("Accountant").post(reverse("desk:settlements"), {"day": "2026-11-01", "file": file})
        assert answer.status_code == 200
    assert not SettlementFile.objects.exists()

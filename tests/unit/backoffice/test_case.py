"""One page tells all about a case; its actions say what will happen, and do that or nothing."""

import base64
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from backoffice.urls import urlpatterns
from booking.models import Assignment, Booking, Checkout, Priest
from notifications.models import Notification
from payment.models import CaseNote, GatewayCall, LedgerEntry, Payment, Refund, StateChange, WebhookEvent
from payment.services.cases import find_case
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import request_refund
from tests.harness import builders
from tests.unit.backoffice.sold import book
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def policy(settings):
    settings.REFUND_POLICY = [(72, 50)]
    settings.REFUND_SECOND_PERSON_ABOVE = 2_000


@pytest.fixture
def asha():
    return builders.make_user(
        "asha@example.com",
        first_name="Asha",
        last_name="Lakhotia",
        phone="+919876543210",
        email_confirmed_at=timezone.now(),
    )


@pytest.fixture
def booking(asha, package) -> Booking:
    made = book(asha, package, builders.in_days(5))
    Checkout.objects.filter(pk=made.checkout_id).update(
        address_line1="12 Temple Road",
        address_city="Patna",
        devotee_names="Asha Lakhotia\nRohan",
        gotra="Kashyap",
    )
    made.refresh_from_db()
    return made


@pytest.fixture
def slot(booking):
    service = booking.checkout.puja_service
    return builders.make_slot(service, days=7, capacity=1)


def text(response) -> str:
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def address(booking, page="case", *more):
    return reverse(f"desk:{page}", args=[booking.book_id, *more])


def seen(response) -> str:
    return re.search(r'name="seen" value="([^"]+)"', response.content.decode())[1]


def decide(client, url, reason="asked by phone", **fields):
    """Looks at the page, and confirms what it shows."""
    page = client.get(url)
    return client.post(url, {"reason": reason, "seen": seen(page), **fields}, follow=True)


# --- The page -------------------------------------------------------------------------------------


def test_a_call_is_answered_from_the_page(booking, desk):
    answer = desk("Support").get(address(booking))
    page = text(answer)

    assert reverse("desk:person", args=[booking.user_id]) in answer.content.decode()  # what else they booked
    for fact in (
        booking.checkout.puja_title,
        "10:00",
        "Asha Lakhotia",
        "+919876543210",
        "Paid",
        "₹1,100.00",
        "12 Temple Road",
        "Rohan",
        "Kashyap",
        "Open the map",
        "The money became a booking.",
        "PhonePe says: paid.",
        "is booked for you. The time is",  # the text of the mail
    ):
        assert fact in page, fact
    assert "110000" not in page


def test_the_priest_of_a_booking_is_named_and_another_one_can_be_chosen(booking, desk):
    assert "nobody yet" in text(desk("Support").get(address(booking)))
    priest = Priest.objects.create(name="Pandit Mishra")
    ends = booking.starts_at + timedelta(hours=2)
    Assignment.objects.create(booking=booking, priest=priest, begins=booking.starts_at, ends=ends)

    page = desk("Owner").get(address(booking))
    assert "Pandit Mishra" in text(page)
    assert reverse("desk:assign-priest", args=[booking.book_id]) in page.content.decode()


def test_a_booking_and_its_payment_are_one_case_and_a_donation_is_one_too(booking, desk):
    client, payment = desk("Owner"), booking.checkout.payment
    donation = make_payment()

    pages = [client.get(f"/admin/desk/case/{number}/") for number in (booking.book_id, payment.reference)]

    assert [page.context["case"].payment.pk for page in pages] == [payment.pk] * 2
    assert "Donation" in text(client.get(f"/admin/desk/case/{donation.reference}/"))
    assert client.get(f"/admin/desk/case/{booking.book_id.lower()}/").status_code == 200
    assert client.get("/admin/desk/case/BK-NONE/").status_code == 404


def test_who_may_not_see_money_sees_the_puja_and_no_sum(booking, desk):
    page = text(desk("Coordinator").get(address(booking)))

    assert booking.checkout.puja_title in page
    assert "₹" not in page
    assert "Raw evidence" not in page


def test_a_case_with_much_history_needs_as_many_queries_as_a_new_one(
    booking, desk, django_assert_max_num_queries
):
    client, payment = desk("Owner"), booking.checkout.payment
    client.get(address(booking))
    with django_assert_max_num_queries(30) as few:
        client.get(address(booking))
    attempt = payment.attempts.get()
    for number in range(30):
        CaseNote.objects.create(payment=payment, author=booking.user, text=f"note {number}")
        StateChange.objects.create(
            payment=payment,
            subject="payment",
            after="SUCCESS",
            rule="booked",
            detail=f"by user {booking.user_id}: x",
        )
        Notification.objects.create(
            kind="booked",
            key=f"k{number}",
            user=booking.user,
            email="asha@example.com",
            facts=Notification.objects.filter(kind="booked").first().facts,
            message_id=f"<{number}>",
        )
        GatewayCall.objects.create(
            payment=payment,
            attempt=attempt,
            operation="status",
            endpoint="e",
            host="h",
            port=443,
            stage="done",
            milliseconds=1,
            started_at=timezone.now(),
        )
        Refund.objects.create(
            payment=payment,
            attempt=attempt,
            merchant_refund_id=f"R{number}",
            amount_paise=100,
            state="FAILED",
            asked_by=booking.user,
        )
    with django_assert_max_num_queries(len(few)):
        client.get(address(booking))


def test_what_staff_decided_stands_in_the_timeline_with_who_and_why(booking, desk):
    client = desk("Owner")
    decide(client, address(booking, "case-refund") + "?amount=300", reason="a devotee did not come")

    page = text(client.get(address(booking)))
    who = StateChange.objects.get(rule="staff_refunded").detail
    assert who.endswith(": a devotee did not come")
    assert "Staff decided a refund." in page
    assert ": a devotee did not come" in page


def test_a_note_is_written_once_by_two_clicks_and_names_its_author(booking, desk):
    client = desk("Support")
    page = client.get(address(booking))
    form = {"text": "Rings again on Monday.", "form": page.context["note_form"].initial["form"]}
    for _ in range(2):
        client.post(address(booking, "case-note"), form)

    note = CaseNote.objects.get()
    assert (note.text, note.author.groups.get().name) == ("Rings again on Monday.", "Support")
    assert "Rings again on Monday." in text(client.get(address(booking)))
    refused = client.post(address(booking, "case-note"), {**form, "text": "See https://example.com"})
    assert "See https://example.com</textarea>" in refused.content.decode()  # what was written is not lost
    assert client.get(address(booking, "case-note")).url == address(booking)  # where a login leads back to


# --- The support bundle ---------------------------------------------------------------------------


def test_the_bundle_for_support_names_nobody_and_opens_nothing(booking, desk, settings):
    settings.PHONEPE_SALT_KEY = "salt-key-of-the-shop"
    payment, client = booking.checkout.payment, desk("Owner")
    attempt = payment.attempts.get()
    type(attempt).objects.filter(pk=attempt.pk).update(page_url="https://page.example/secret-page-token")
    inner = {
        "data": {
            "vpa": "asha@okbank",
            "pan": "ABCDE1234F",
            "note": "salt-key-of-the-shop",
            "state": "COMPLETED",
        }
    }
    for number, body in enumerate(
        (
            {"response": base64.b64encode(json.dumps(inner).encode()).decode()},
            {
                "payload": {
                    "accountHolderName": "ASHA LAKHOTIA",
                    "rail": {"upi": "asha.l@ybl"},
                    "text": "call 9876543210",
                }
            },
        )
    ):
        WebhookEvent.objects.create(
            digest=f"d{number}",
            attempt=attempt,
            body=json.dumps(body).encode(),
            scheme="hmac",
            merchant_order_id=attempt.merchant_order_id,
            state="HANDLED",
        )
    decide(client, address(booking, "case-refund") + "?amount=300", reason="Asha rang from 9876543210")

    answer = client.get(address(booking, "case-bundle"))
    bundle = answer.content.decode()

    assert answer["Content-Disposition"] == f'attachment; filename="{booking.book_id}.json"'
    facts = json.loads(bundle)
    assert facts["orders"][0]["merchant_order_id"] == attempt.merchant_order_id
    assert facts["webhooks"][0]["body"]["payload"]["accountHolderName"] == "[masked]"
    assert "COMPLETED" in json.dumps(facts["webhooks"][1]["body"])
    for secret in (
        *("Asha", "ASHA", "Lakhotia", "Rohan", "Kashyap", "9876543210", "asha@example.com", "asha@okbank"),
        *(
            "asha.l@ybl",
            "ABCDE1234F",
            "salt-key-of-the-shop",
            "secret-page-token",
            "Temple Road",
            "rang from",
        ),
        base64.b64encode(json.dumps(inner).encode()).decode(),
    ):
        assert secret not in bundle, secret


# --- Actions --------------------------------------------------------------------------------------


def test_a_refund_says_how_much_goes_back_when_and_what_is_told_then_does_it_once(booking, desk):
    client, url = desk("Owner"), address(booking, "case-refund") + "?amount=300"
    page = client.get(url)
    shown = text(page)
    assert "₹300.00 goes back to the account or card it was paid with." in shown
    assert "It arrives by" in shown
    assert "The booking stays as it is" in shown
    assert "Your refund of ₹300.00 is on its way" in shown
    assert not Refund.objects.exists()
    form = {"reason": "one devotee did not come", "seen": seen(page)}

    done = client.post(url, form, follow=True)
    again = client.post(url, form, follow=True)

    assert done.redirect_chain == again.redirect_chain == [(address(booking), 302)]
    assert "this click did nothing more" in text(again)
    assert [*Refund.objects.values_list("amount_paise", "reason")] == [(30_000, "one devotee did not come")]


def test_what_was_written_stays_when_somebody_else_was_faster(booking, desk):
    client, url = desk("Owner"), address(booking, "case-refund") + "?amount=300"
    form = {"reason": "one devotee did not come", "seen": seen(client.get(url))}
    request_refund(booking.checkout.payment.pk, 10_000, "a gesture", builders.make_superuser())

    answer = client.post(url, form)
    assert "has changed since you looked at it" in text(answer)
    assert 'value="one devotee did not come"' in answer.content.decode()
    done = client.post(url, {**form, "seen": seen(answer)}, follow=True)  # having looked again

    assert "Done: Refund." in text(done)
    assert [*Refund.objects.order_by("pk").values_list("amount_paise", flat=True)] == [10_000, 30_000]


def test_all_goes_back_only_when_that_was_chosen(booking, desk):
    client, url = desk("Owner"), address(booking, "case-refund")
    form = {"reason": "a mistake", "seen": seen(client.get(url + "?amount="))}
    page = client.get(url)
    assert "What will happen" not in text(page)
    assert 'name="reason"' not in page.content.decode()
    client.post(url, form)  # without a choice nothing is posted either
    assert not Refund.objects.exists()
    assert "Refund now: ₹1,100.00" in text(client.get(url + "?amount="))


@pytest.mark.parametrize("fields", [{}, {"reason": " "}, {"reason": "see www.example.com"}])
def test_no_action_without_a_reason(booking, desk, fields):
    client, url = desk("Owner"), address(booking, "case-cancel")
    client.post(url, {"seen": seen(client.get(url)), **fields})

    booking.refresh_from_db()
    assert booking.status == "CONFIRMED"


def test_a_get_of_any_page_changes_nothing(booking, slot, desk):
    client = desk("Owner")
    tables = (Booking, LedgerEntry, Notification, Payment, Refund, StateChange)
    before = [sorted(map(str, model.objects.values_list())) for model in tables]
    for pattern in urlpatterns:
        if pattern.name.startswith("case-") and "<int" not in str(pattern.pattern):
            client.get(f"{address(booking, pattern.name)}?slot={slot.pk}&back=all&amount=900")

    assert [sorted(map(str, model.objects.values_list())) for model in tables] == before


def test_a_cancellation_shows_the_policy_and_whoever_may_refund_gives_more(booking, desk):
    support, owner, url = desk("Support"), desk("Owner"), address(booking, "case-cancel")
    assert "₹550.00 goes back" in text(support.get(f"{url}?back=all"))  # may not give more
    assert "By the policy: ₹550.00" in text(owner.get(url))
    assert "₹800.00 goes back" in text(owner.get(f"{url}?back=other&amount=800"))

    decide(owner, f"{url}?back=all", tell="on", reason="The river has risen.")

    booking.refresh_from_db()
    assert (booking.status, Refund.objects.get().amount_paise) == ("CANCELLED", 110_000)
    assert Notification.objects.get(kind="cancelled").facts["because"] == "The river has risen."


def test_staff_correct_for_whom_the_puja_is_and_never_over_a_change_that_they_have_not_seen(booking, desk):
    support, other, url = desk("Support"), desk("Coordinator"), address(booking, "case-details")
    first, second = (client.get(url).context["form"].initial for client in (support, other))
    told = {
        "devotee_names": "Asha and Ravi",
        "gotra": "Bharadwaj",
        "nakshatra": "",
        "people": "12",
        "wishes": "",
    }
    form = {**told, "reason": "told on the phone", "seen": first["seen"]}
    assert url in support.get(address(booking)).content.decode()
    assert support.post(url, {**form, "reason": ""}).status_code == 200
    assert support.post(url, {**form, "seen": "x"}).status_code == 404

    for _ in range(2):  # a double click
        assert support.post(url, form).url == address(booking)
    late = other.post(url, {**form, "gotra": "Kashyap", "reason": "a letter", "seen": second["seen"]})
    assert "Somebody has changed it since you looked" in text(late)
    assert "Bharadwaj" in text(late)
    assert late.context["form"]["gotra"].value() == "Kashyap"
    checkout = Checkout.objects.get(pk=booking.checkout_id)
    assert (checkout.gotra, checkout.people, checkout.devotee_names) == ("Bharadwaj", 12, "Asha and Ravi")
    change = StateChange.objects.get(rule="details_corrected")
    assert change.detail.endswith(": told on the phone")  # who and why; not the names
    seen_now = late.context["form"]["seen"].value()
    other.post(url, {**form, "gotra": "Kashyap", "reason": "a letter", "seen": seen_now})
    assert Checkout.objects.get(pk=booking.checkout_id).gotra == "Kashyap"


def test_a_cancelled_booking_has_no_details_to_correct(booking, desk):
    client, url = desk("Support"), address(booking, "case-details")
    form = {
        "reason": "told on the phone",
        "gotra": "Kashyap",
        "seen": client.get(url).context["form"].initial["seen"],
    }
    Booking.objects.filter(pk=booking.pk).update(status="COMPLETED")

    refused = text(client.post(url, form))
    assert "This booking is no longer confirmed." in refused
    assert "Somebody has changed it" not in refused
    assert url not in client.get(address(booking)).content.decode()


@pytest.mark.parametrize(("who", "kind"), [("temple", "moved"), ("customer", "moved_by_customer")])
def test_a_move_offers_the_free_times_and_says_who_asked(booking, slot, desk, who, kind):
    client, url = desk("Support"), address(booking, "case-move")
    page = text(client.get(url))
    assert "Free times: choose one" in page
    assert "What will happen" not in page

    decide(client, f"{url}?who={who}&slot={slot.pk}")

    booking.refresh_from_db()
    assert booking.starts_at == slot.starts_at
    assert Notification.objects.filter(kind=kind).count() == 1
    assert StateChange.objects.filter(detail__contains="asked by phone").count() == 1


def test_a_time_too_near_to_move_anybody_unasked_is_offered_for_the_customers_wish_alone(booking, slot, desk):
    near = builders.make_slot(slot.service, days=0, hour=0)
    type(slot).objects.filter(pk=near.pk).update(starts_at=timezone.now() + timedelta(hours=20))
    client, url = desk("Support"), address(booking, "case-move")
    page = client.get(url)

    assert (page.context["times"], page.context["near_times"]) == ([slot], [near])
    own_form = page.content.decode().split('<input type="hidden" name="who" value="customer">')[1]
    assert f'value="{near.pk}"' in own_form
    decide(client, f"{url}?who=customer&slot={near.pk}")
    booking.refresh_from_db()
    near.refresh_from_db()
    assert booking.starts_at == near.starts_at


def test_times_after_the_first_sixty_are_shown_from_a_chosen_day_on(booking, slot, desk, monkeypatch):
    monkeypatch.setattr("backoffice.views.actions.MOST_TIMES", 1)
    later = builders.make_slot(slot.service, days=40)
    client, url = desk("Support"), address(booking, "case-move")

    assert client.get(url).context["times"] == [slot]
    assert 'name="day"' in client.get(url).content.decode()
    page = client.get(f"{url}?day={timezone.localdate(later.starts_at)}")
    assert page.context["times"] == [later]
    assert client.get(f"{url}?day=2020-01-01").context["times"] == [slot]


def test_a_time_that_was_taken_while_staff_looked_is_told_and_nothing_is_done(booking, slot, desk):
    client, url = desk("Support"), f"{address(booking, 'case-move')}?slot={slot.pk}"
    page = client.get(url)
    type(slot).objects.filter(pk=slot.pk).update(booked=1)

    answer = client.post(url, {"reason": "the priest is ill", "seen": seen(page)}, follow=True)

    assert "This time is no longer available." in text(answer)
    booking.refresh_from_db()
    assert booking.moves == 0


@pytest.mark.parametrize(("page", "after"), [("case-accept", "BOOKED"), ("case-return", "")])
def test_another_amount_is_accepted_or_returned(asha, package, desk, page, after):
    payment = make_payment(builders.make_checkout(builders.make_cart(asha, package)))
    apply_status(payment.attempts.get().pk, completed(60_000), "worker")
    client = desk("Manager")
    case = client.get(f"/admin/desk/case/{payment.reference}/")
    url = reverse(f"desk:{page}", args=[payment.reference])
    assert url in case.content.decode()
    assert "Another amount came: decide" in text(case)

    decide(client, url)

    payment.refresh_from_db()
    assert payment.fulfilment == after


def test_staff_stop_waiting_for_a_payment_whose_page_is_over(asha, package, desk):
    payment = make_payment(builders.make_checkout(builders.make_cart(asha, package)))
    client, url = desk("Manager"), reverse("desk:case-stop", args=[payment.reference])
    assert "This payment can still be paid" in text(client.get(url))
    payment.attempts.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert "Nobody waits for this payment any more" in text(client.get(url))

    decide(client, url)

    payment.refresh_from_db()
    assert payment.state == "CANCELLED"


def test_the_second_person_approves_and_never_the_one_who_asked(booking, desk, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    first, second = desk("Owner"), desk("Manager")
    decide(first, address(booking, "case-refund") + "?amount=")
    refund = Refund.objects.get()
    url = address(booking, "case-approve", refund.pk)
    assert url not in first.get(address(booking)).content.decode()
    assert "must be approved by another person" in text(first.get(url))
    assert url in second.get(reverse("desk:approvals")).content.decode()

    decide(second, url)

    refund.refresh_from_db()
    booking.refresh_from_db()
    assert (refund.held_because, booking.status) == ("", "CANCELLED")
    assert "Nothing waits." in text(second.get(reverse("desk:approvals")))


def test_the_second_person_refuses(booking, desk, settings, staff):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    refund = request_refund(booking.checkout.payment.pk, None, "a mistake", staff)
    decide(desk("Manager"), address(booking, "case-refuse", refund.pk))

    refund.refresh_from_db()
    booking.refresh_from_db()
    assert (refund.state, booking.status) == ("FAILED", "CONFIRMED")


def test_a_message_is_sent_again_once_and_the_timeline_says_who_wanted_it(booking, desk):
    notification = Notification.objects.get(kind="booked")
    Notification.objects.filter(pk=notification.pk).update(state="SENT", sent_at=timezone.now())
    client, url = desk("Support"), address(booking, "case-resend", notification.pk)
    page = client.get(url)
    assert "asha@example.com" in text(page)
    form = {"reason": "it was in the spam", "seen": seen(page)}
    for _ in range(2):
        answer = client.post(url, form, follow=True)

    notification.refresh_from_db()
    assert notification.state == "WAITING"
    assert "this click did nothing more" in text(answer)
    assert StateChange.objects.get(rule="message_sent_again").detail.endswith(": booked: it was in the spam")


def test_an_action_that_the_state_does_not_allow_says_why_and_offers_no_button(booking, desk):
    client, url = desk("Owner"), address(booking, "case-cancel")
    decide(client, url)

    page = client.get(url)
    assert "This booking is no longer confirmed." in text(page)
    assert 'name="reason"' not in page.content.decode()
    assert address(booking, "case-cancel") not in client.get(address(booking)).content.decode()


@pytest.mark.parametrize("query", ["amount=x", "amount=-1", "amount=0.5", "amount=99999999999999"])
def test_an_amount_that_is_none_is_refused_on_the_page(booking, desk, query):
    page = desk("Owner").get(f"{address(booking, 'case-refund')}?{query}")

    assert page.status_code == 200
    assert 'name="reason"' not in page.content.decode()


def test_a_case_is_found_in_three_queries(booking, django_assert_num_queries):
    with django_assert_num_queries(2):
        find_case(booking.book_id)

"""From the details to the booking, without JavaScript; and everything that comes between two people and one place."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import Address, User
from booking.models import Booking, Cart, Checkout, Slot, WaitingEntry
from booking.services import fill_cart, release
from booking.services.waiting_list import join
from core.models import Counter
from payment.models import PayingWatch, Payment, PaymentAttempt
from payment.services.links import return_url
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.storefront.visitor import GUEST, HOME, Visitor, sent_code
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def review(visitor, package, slot):
    """A guest stands before the button to pay."""
    return visitor.begin(package, slot)


def pay(visitor, path):
    total = re.search(r'name="total" value="(\d+)"', visitor.text)[1]
    return visitor.post(path, {"do": "pay", "total": total})


def hidden_fields(visitor):
    return dict(re.findall(r'type="hidden" name="(package|date|time)" value="([^"]*)"', visitor.text))


def test_a_guest_books_and_sees_the_booking(visitor, review, slot, phonepe):
    assert "₹1,100" in visitor.text
    assert "Cancel before" in visitor.text
    pay(visitor, review)
    attempt = PaymentAttempt.objects.get()
    assert visitor.page.url == attempt.page_url
    phonepe.decide(attempt.merchant_order_id)
    visitor.get(f"/review/{Cart.objects.get().cart_id}/")
    back = visitor.get(f"/api/payments/return/{token_of(attempt.payment)}/")
    assert "/pay/" in back.url
    visitor.follow()

    booking = Booking.objects.get()
    assert booking.book_id in visitor.text
    assert "Payment received" in visitor.text
    assert (booking.starts_at, booking.user.email) == (slot.starts_at, GUEST["email"])
    assert booking.user.phone == "+919876543210"
    assert booking.checkout.agreed_address.postal_code == "800001"
    visitor.get("/bookings/")
    assert booking.book_id in visitor.text
    visitor.get(f"/bookings/{booking.book_id}/receipt/")
    assert visitor.page["Content-Type"] == "application/pdf"


def token_of(payment):
    return return_url(payment).rstrip("/").rpartition("/")[2]


def test_the_payment_of_our_pages_comes_back_to_our_pages_also_beside_a_frontend(
    visitor, review, phonepe, settings
):
    pay(visitor, review)
    phonepe.decide(PaymentAttempt.objects.get().merchant_order_id)
    back = visitor.get(f"/api/payments/return/{token_of(Payment.objects.get())}/")

    assert settings.FRONTEND_BASE_URL
    assert back.url.startswith("http://testserver/pay/")


def test_a_double_click_two_tabs_and_back_make_one_payment(visitor, review):
    pages = [pay(visitor, review).url]
    visitor.get(review)
    assert "Go to the payment page" in visitor.text
    pages.append(pay(visitor, review).url)
    both = [Visitor(), Visitor()]
    for tab in both:
        tab.client.cookies = visitor.client.cookies
        tab.get(review)
    pages += [each.url for each in at_once(*[lambda tab=tab: pay(tab, review) for tab in both])]

    assert len(set(pages)) == 1
    assert Payment.objects.count() == PaymentAttempt.objects.count() == 1


def test_two_first_clicks_at_once_make_one_payment(visitor, review):
    tabs = [Visitor(), Visitor(), Visitor()]
    for tab in tabs:
        tab.client.cookies = visitor.client.cookies
        tab.get(review)
    answers = at_once(*[lambda tab=tab: pay(tab, review) for tab in tabs])

    assert Payment.objects.count() == PaymentAttempt.objects.count() == 1
    # Whoever comes while PhonePe is being asked is told to wait, and has paid nothing.
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert 303 in {answer.status_code for answer in answers}


def test_a_price_that_rose_is_shown_before_it_is_taken(visitor, review, package):
    package.price_paise = 150_000
    package.save()
    pay(visitor, review)

    assert visitor.page.status_code == 409
    assert "₹1,500" in visitor.text
    assert not Payment.objects.exists()
    assert pay(visitor, review).status_code == 303
    assert Payment.objects.get().amount_paise == 150_000


def test_the_second_of_two_is_offered_the_nearest_times_and_books_one(visitor, service, package, alice):
    last = builders.make_slot(service, days=3, capacity=1)
    near, far = builders.make_slot(service, days=4), builders.make_slot(service, days=9)
    path = visitor.begin(package, last)
    faster = builders.make_cart(alice, package, last.starts_at)
    builders.make_checkout(faster)
    pay(visitor, path)

    assert visitor.page.status_code == 409
    assert "booked out" in visitor.text
    assert "Free on" not in visitor.text  # the buttons say it
    offered = re.findall(r'name="slot" value="(\d+)"', visitor.text)
    assert offered == [f"{near.pk}", f"{far.pk}"]
    visitor.post(path, {"do": "time", "slot": offered[0]})
    visitor.follow()
    assert pay(visitor, visitor.page.request["PATH_INFO"]).status_code == 303
    checkout = Checkout.objects.exclude(user=alice).get()
    assert checkout.starts_at == near.starts_at
    assert checkout.address_line1 == HOME["address-address_line1"]


def test_a_time_that_was_taken_while_the_form_was_filled_leads_back_to_the_calendar(
    visitor, package, service
):
    slot = builders.make_slot(service, capacity=1)
    choice = visitor.choose(package, slot)
    Slot.objects.filter(pk=slot.pk).update(booked=1)
    visitor.post("/book/", choice | GUEST | HOME)
    visitor.follow()

    assert "booked out" in visitor.text
    assert visitor.page.request["PATH_INFO"] == f"/pujas/{service.pk}/times/"


def test_a_payment_that_fails_leads_back_to_the_cart(visitor, review, phonepe):
    pay(visitor, review)
    phonepe.decide(PaymentAttempt.objects.get().merchant_order_id, "failure")
    visitor.get(f"/api/payments/return/{token_of(Payment.objects.get())}/")
    visitor.follow()
    assert "Not paid" in visitor.text
    assert "Try again" in visitor.text
    visitor.get(review)

    assert pay(visitor, review).status_code == 303
    assert Payment.objects.count() == 2
    assert set(Payment.objects.values_list("frontend", flat=True)) == {"SHOP"}


def test_who_does_not_want_to_pay_after_all_gets_the_cart_back(visitor, review):
    pay(visitor, review)
    visitor.get(review)
    visitor.post(review, {"do": "free"})
    visitor.follow()

    assert "Pay ₹1,100" in visitor.text or "open" in visitor.text
    assert Payment.objects.count() == 1


def test_a_promo_code_is_taken_off_and_removed(visitor, review):
    builders.make_promo("WELCOME10")
    visitor.post(review, {"do": "promo", "promo_code": "nonsense"})
    assert "This promo code does not exist." in visitor.text
    assert 'value="nonsense"' in visitor.text  # to be mended where it was typed
    visitor.post(review, {"do": "promo", "promo_code": "welcome10"})
    visitor.follow()
    assert "Pay ₹990" in visitor.text
    visitor.post(review, {"do": "no-promo"})
    visitor.follow()
    assert "Pay ₹1,100" in visitor.text


def test_what_is_missing_is_said_at_its_field_and_nothing_is_lost(visitor, package, slot):
    choice = visitor.choose(package, slot)
    visitor.post(
        "/book/", choice | GUEST | HOME | {"phone": "12", "address-postal_code": "8", "name": "Meera"}
    )

    assert visitor.page.status_code == 400
    assert "Give the PIN code as six digits." in visitor.text
    assert 'aria-invalid="true"' in visitor.text
    assert 'value="Meera"' in visitor.text
    assert not User.objects.filter(email=GUEST["email"]).exists()


def test_devotees_are_told_to_the_priest(visitor, package, slot):
    path = visitor.begin(package, slot, devotee_names="Meera\nRohan", gotra="Kashyap", people="4")
    assert "Kashyap" in visitor.text
    pay(visitor, path)

    checkout = Checkout.objects.get()
    assert (checkout.devotee_names.split(), checkout.gotra, checkout.people) == (
        ["Meera", "Rohan"],
        "Kashyap",
        4,
    )


def test_an_address_with_an_account_is_opened_by_its_code_only(visitor, package, slot, alice):
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | GUEST | HOME | {"email": "ALICE@example.com"})
    visitor.follow()
    assert "Enter your code" in visitor.text
    assert "Alice" not in visitor.text
    assert not Cart.objects.exists()
    assert visitor.get("/bookings/").status_code == 303

    code = sent_code()
    visitor.get("/login/code/")
    visitor.post("/login/code/", {"code": f"{(int(code) + 1) % 10**6:06}"})
    assert visitor.page.status_code == 400
    visitor.post("/login/code/", {"code": code})
    visitor.follow()
    assert "Griha Pravesh" in visitor.text
    assert Cart.objects.get().user == alice
    alice.refresh_from_db()
    assert (alice.first_name, alice.phone) == ("Alice", "+919876500001")  # the form changes nobody's profile


def test_where_accounts_begin_with_a_code_guests_do_too(visitor, package, slot, settings):
    settings.REGISTRATION_BY_CODE = True
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | GUEST | HOME)
    visitor.follow()
    assert not User.objects.exists()
    visitor.post("/login/code/", {"code": sent_code()})
    visitor.follow()

    guest = User.objects.get()
    assert (guest.email, guest.first_name, bool(guest.email_confirmed_at)) == (
        GUEST["email"],
        "Meera Sinha",
        True,
    )
    assert Cart.objects.get().user == guest


def test_a_person_chooses_an_address_of_theirs_or_a_new_one(visitor, package, slot, alice, charlie):
    theirs, foreign = alice.addresses.get(), builders.make_address(charlie)
    visitor.sign_in(alice.email)
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | {"address": f"{foreign.pk}"})
    assert visitor.page.status_code == 400
    visitor.post("/book/", choice | {"address": f"{theirs.pk}"})
    visitor.follow()
    assert theirs.address_line1 in visitor.text
    for _ in range(2):
        choice = visitor.choose(package, slot)
        visitor.post("/book/", choice | {"address": "new"} | HOME)
        visitor.follow()
        assert "4 Ganga Path" in visitor.text
    assert Address.objects.filter(user=alice).count() == 2


def test_a_form_of_another_site_does_nothing(visitor, review):
    """It has no token."""
    answer = visitor.client.post(review, {"do": "pay", "total": "110000"})

    assert answer.status_code == 403
    assert "keeps no cookies" in answer.content.decode()
    assert not Payment.objects.exists()


def test_nobody_reads_anybody_elses_cart_booking_or_receipt(visitor, review, package, slot, alice, phonepe):
    cart = builders.make_cart(alice, package, slot.starts_at)
    for path in (f"/review/{cart.cart_id}/", "/bookings/BK-NOTTHERE/"):
        assert visitor.get(path).status_code == 404
        assert "Alice" not in visitor.text
    pay_path = f"/review/{cart.cart_id}/"
    visitor.get(review)
    assert visitor.post(pay_path, {"do": "pay", "total": "110000"}).status_code == 404
    assert not Payment.objects.exists()


def test_a_planted_session_is_worth_nothing(package, slot):
    attacker, victim = Visitor(), Visitor()
    choice = attacker.choose(package, slot)
    builders.make_user("known@example.com")
    attacker.post("/book/", choice | GUEST | HOME | {"email": "known@example.com"})
    planted = attacker.client.cookies["sessionid"].value
    victim.client.cookies["sessionid"] = planted
    victim.begin(package, slot)

    assert victim.client.cookies["sessionid"].value != planted
    assert not Session.objects.filter(session_key=planted).exists()
    assert attacker.get("/bookings/").status_code == 303


def test_guests_and_payments_are_counted(visitor, review):
    pay(visitor, review)

    assert {"register", "payment", "user"} <= set(Counter.objects.values_list("scope", flat=True))


def test_too_many_clicks_on_pay_are_told_to_wait(visitor, review, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "payment", "1/min")
    assert pay(visitor, review).status_code == 303
    visitor.get(review)
    assert pay(visitor, review).status_code == 429
    assert Payment.objects.count() == 1


def test_payments_that_are_switched_off_keep_the_cart(visitor, review, settings):
    settings.PAYMENT_ENABLED = False
    pay(visitor, review)

    assert visitor.page.status_code == 503
    assert "not taking payments" in visitor.text
    assert Cart.objects.get().status == "ACTIVE"


def test_an_outage_of_phonepe_is_said_and_the_same_cart_is_paid_later(visitor, review, phonepe):
    phonepe.inject_fault("pay", "status_500", times=99)
    pay(visitor, review)

    assert visitor.page.status_code >= 500
    phonepe.clear_faults()
    visitor.get(review)
    assert pay(visitor, review).status_code == 303
    assert Payment.objects.count() == 1


def test_another_cart_in_a_second_tab_is_never_paid_by_mistake(visitor, review, package, service, slot):
    other = builders.make_slot(service, days=5)
    visitor.choose(package, other)
    person = User.objects.get(email=GUEST["email"])
    fill_cart(
        person,
        puja_service=service.pk,
        package_id=package.pk,
        selected_date=timezone.localtime(other.starts_at).date(),
        selected_time=timezone.localtime(other.starts_at).time(),
    )
    visitor.post(review, {"do": "pay", "total": "110000"})

    assert visitor.page.url == f"/pujas/{service.pk}/times/?package={package.pk}"
    assert not Checkout.objects.exists()


def test_who_waits_for_a_full_time_books_the_place_that_is_kept_for_them(
    visitor, service, package, alice, charlie
):
    slot = builders.make_slot(service, capacity=1)
    taken = builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at))
    visitor.sign_in(alice.email)
    visitor.get(f"/pujas/{service.pk}/times/?package={package.pk}&day={timezone.localdate(slot.starts_at)}")
    path = f"/waiting/?slot={slot.pk}&amp;package={package.pk}"
    assert path in visitor.text
    visitor.get(path.replace("&amp;", "&"))
    visitor.post("/waiting/", {"do": "join", "slot": f"{slot.pk}", "package": f"{package.pk}"})
    visitor.follow()
    assert "You are on the list." in visitor.text
    release(taken)
    run_due(("waiting",))
    visitor.get("/waiting/")
    assert "A place is kept for you until" in visitor.text

    entry = re.search(r'name="entry" value="(\d+)"', visitor.text)[1]
    visitor.post("/waiting/", {"do": "book", "entry": entry})
    visitor.follow()
    visitor.post(
        "/book/", hidden_fields(visitor) | HOME | {"address": "new", "devotee_names": "Alice, Rohan"}
    )
    path = visitor.page.url
    visitor.follow()
    assert pay(visitor, path).status_code == 303
    checkout = Checkout.objects.get(user=alice)
    assert (checkout.starts_at, checkout.address_line1) == (slot.starts_at, HOME["address-address_line1"])
    assert checkout.devotee_names == "Alice, Rohan"


def test_who_has_not_confirmed_their_address_does_it_on_the_waiting_page_and_waits(
    visitor, service, package, charlie
):
    slot = builders.make_slot(service, capacity=1)
    visitor.begin(package, builders.make_slot(service, days=9))
    builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at))
    path = f"/waiting/?slot={slot.pk}&package={package.pk}"
    wanted = {"slot": f"{slot.pk}", "package": f"{package.pk}"}
    visitor.get(path)
    assert "meera@example.com reaches you" in visitor.text
    assert 'value="join"' not in visitor.text
    assert visitor.post(path, {"do": "join", **wanted}).status_code == 409
    assert 'value="confirm"' in visitor.text

    visitor.post(path, {"do": "confirm", **wanted})
    visitor.follow()
    visitor.post("/login/code/", {"code": sent_code(), "do": "check"})
    assert visitor.page.url == path
    visitor.follow()
    visitor.post("/waiting/", {"do": "join", **wanted})
    assert [each.user.email for each in WaitingEntry.objects.all()] == ["meera@example.com"]


def test_nobody_moves_the_entries_of_somebody_else(visitor, service, package, alice, charlie):
    slot = builders.make_slot(service, capacity=1)
    builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at))
    entry = join(alice, slot.pk, package.pk)
    visitor.sign_in(charlie.email)
    visitor.get(f"/waiting/?slot={slot.pk}&package={package.pk}")
    assert visitor.post("/waiting/", {"do": "leave", "entry": f"{entry.pk}"}).status_code == 404
    entry.refresh_from_db()

    assert entry.state == "WAITING"


@pytest.mark.parametrize("way", ["code", "password"])
def test_what_one_person_typed_never_reaches_another_one_on_the_same_phone(
    visitor, package, slot, alice, charlie, way
):
    choice = visitor.choose(package, slot)
    typed = {"email": alice.email, "wishes": "for my operation"}
    visitor.post("/book/", choice | GUEST | HOME | typed)
    assert visitor.page.url == "/login/code/"
    visitor.get("/login/")
    visitor.post("/login/", {"email": charlie.email, "do": way, "password": builders.PASSWORD})
    if way == "code":
        visitor.follow()
        assert "your booking goes on" not in visitor.text
        visitor.post("/login/code/", {"code": sent_code()})
    visitor.follow()

    assert "for my operation" not in visitor.text
    assert not Cart.objects.exists()
    assert not Address.objects.filter(user=charlie, address_line1=HOME["address-address_line1"]).exists()


def test_a_draft_whose_time_is_gone_is_forgotten(visitor, service, package, alice):
    slot = builders.make_slot(service, capacity=1)
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | GUEST | HOME | {"email": alice.email})
    visitor.follow()
    Slot.objects.filter(pk=slot.pk).update(booked=1)
    visitor.post("/login/code/", {"code": sent_code()})
    visitor.follow()
    assert "booked out" in visitor.text

    assert not Cart.objects.exists()
    assert "shop_draft" not in visitor.client.session


@pytest.fixture
def mothers(alice):
    return builders.make_address(alice, address_line1="Mothers House", is_default=False)


@pytest.fixture
def at_mothers(visitor, package, slot, alice, mothers):
    """Signed in; the address that is not the default is chosen."""
    visitor.sign_in(alice.email)
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | {"address": f"{mothers.pk}"})
    path = visitor.page.url
    visitor.follow()
    return path


def test_the_chosen_address_outlives_the_session(visitor, at_mothers, alice):
    visitor.post("/logout/")
    other = Visitor()
    other.get("/login/")
    login = {"email": alice.email, "password": builders.PASSWORD, "do": "password"}
    other.post("/login/", login)
    other.get(at_mothers)
    assert "Mothers House" in other.text
    assert pay(other, at_mothers).status_code == 303
    assert Checkout.objects.get().address_line1 == "Mothers House"


def test_an_address_that_was_deleted_is_asked_for_again_and_none_takes_its_place(
    visitor, at_mothers, alice, mothers
):
    page = visitor.page
    mothers.delete()
    visitor.page = page
    pay(visitor, at_mothers)
    assert visitor.page.status_code == 400
    assert not Payment.objects.exists()
    assert "Please say where the puja takes place" in visitor.text
    assert alice.addresses.get().address_line1 not in visitor.text

    way_on = re.search(r'class="button" href="([^"]+)"', visitor.text)[1].replace("&amp;", "&")
    visitor.get(way_on)
    visitor.post("/book/", hidden_fields(visitor) | {"address": f"{alice.addresses.get().pk}"})
    path = visitor.page.url
    visitor.follow()
    assert pay(visitor, path).status_code == 303
    assert Checkout.objects.get().agreed_address == alice.addresses.get()


def test_no_puja_at_home_is_paid_without_an_address_wherever_its_cart_was_filled(
    visitor, package, slot, alice
):
    visitor.sign_in(alice.email)
    path = f"/review/{builders.make_cart(alice, package, slot.starts_at).cart_id}/"
    visitor.get(path)
    assert "Please say where the puja takes place" in visitor.text
    visitor.post(path, {"do": "pay", "total": "110000"})
    assert visitor.page.status_code == 400
    assert not Payment.objects.exists()


def test_who_is_new_and_signed_in_gives_a_name_and_a_phone(visitor, package, slot):
    visitor.sign_in("new@example.com")
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | HOME | {"address": "new"})
    assert visitor.page.status_code == 400
    visitor.post("/book/", choice | HOME | GUEST | {"address": "new"})
    visitor.follow()

    person = User.objects.get()
    assert (person.first_name, person.phone) == (GUEST["name"], "+919876543210")
    assert "9876543210" in visitor.text


def test_another_phone_than_that_of_the_account_is_told_and_can_be_changed(visitor, package, slot, alice):
    choice = visitor.choose(package, slot)
    visitor.post("/book/", choice | GUEST | HOME | {"email": alice.email})
    visitor.follow()
    visitor.post("/login/code/", {"code": sent_code()})
    visitor.follow()
    assert "not on +919876543210" in visitor.text
    assert "9876500001" in visitor.text
    change = re.search(r'href="(/book/[^"]+)">Change the phone', visitor.text)[1].replace("&amp;", "&")
    visitor.get(change)
    assert 'value="9876500001"' in visitor.text
    kept = re.search(r'name="address" value="(\d+)"[^>]*checked', visitor.text)[1]
    visitor.post("/book/", choice | {"address": kept, "phone": "98765 43210"})
    visitor.follow()

    alice.refresh_from_db()
    assert alice.phone == "+919876543210"
    assert "9876543210" in visitor.text
    assert "9876500001" not in visitor.text
    assert Cart.objects.get(status="ACTIVE").address.address_line1 == HOME["address-address_line1"]


def test_too_many_codes_lose_nothing_that_was_typed(visitor, package, slot, alice, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "code", "1/min")
    typed = GUEST | HOME | {"email": alice.email, "wishes": "Please sing"}
    for _ in range(2):
        visitor.post("/book/", visitor.choose(package, slot) | typed)

    assert visitor.page.status_code == 429
    assert "Please sing" in visitor.text
    assert f'value="{HOME["address-address_line1"]}"' in visitor.text
    assert 'role="alert"' in visitor.text


def test_a_cart_that_another_one_has_replaced_says_why_it_is_not_paid(visitor, review, package, service):
    page, other = visitor.page, builders.make_slot(service, days=9)
    choice = visitor.choose(package, other)
    visitor.post("/book/", choice | HOME | {"address": "new"})
    visitor.page = page
    visitor.post(review, {"do": "pay", "total": "110000"})
    visitor.follow()

    assert "nothing was paid here" in visitor.text
    assert not Payment.objects.exists()


def test_a_shop_that_takes_no_payments_promises_no_mail(visitor, review, settings):
    settings.PAYMENT_ENABLED = False
    pay(visitor, review)
    assert visitor.page.status_code == 503
    assert not PayingWatch.objects.exists()
    assert "We write to you" not in visitor.text

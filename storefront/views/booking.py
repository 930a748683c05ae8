"""From a free time to the payment: details, review, pay. Whatever is decided here is decided by the services."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, Throttled, ValidationError

from accounts import codes
from accounts.models import OneTimeCode, User
from accounts.phones import format_phone
from accounts.services import create_guest
from booking.models import Cart, Checkout, Package, PujaService, Slot
from booking.pricing import calculate_price, with_package_price
from booking.promo_guard import guarded_promo
from booking.services import (
    change_cart,
    earliest_start,
    nearest_free_slots,
    record_shown_total,
    set_promo,
)
from booking.services.places import SlotFull
from core.errors import Refusal, add_retry_after, translated
from core.networks import client_network
from payment.services.checkout import start_payment
from payment.services.frontends import OpenedBy
from payment.services.paying import paying_works, watch
from payment.services.status import give_up
from payment.states import FrontendGeneration, PaymentState
from payment.views.pages import SeeOther
from storefront.drafts import change_phone, fill, make_draft
from storefront.forms import (
    AddressChoiceForm,
    AddressForm,
    ChoiceForm,
    ContactForm,
    DevoteeForm,
    PersonForm,
    PromoForm,
)
from storefront.policy import shares_in_words
from storefront.sessions import CODE_EMAIL, DRAFT, sign_in
from storefront.views.page import NO_PAGE, CustomerPage, Page, address_with

GIVE_UP_SECONDS = 8
LARGEST_TOTAL = 2**31
LONGEST_TOTAL = 10  # digits: int() raises ValueError for thousands of them
OUR_PAGES = OpenedBy(FrontendGeneration.SHOP)


class AddressMissing(Refusal):
    """Nothing is paid for a puja at home before the priest knows where it is."""

    default_code = "address_missing"
    default_detail = _("Please say where the puja takes place: no address is chosen for it any more.")


class DetailsPage(Page):
    """Who books, for whom, and where. A new customer goes on as a guest; an address with an account needs its code."""

    template: ClassVar[str] = "storefront/details.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        choice = read_choice(request.GET)
        if choice is None:
            return SeeOther(reverse("shop-catalogue"))
        return self._show(choice, self._forms(choice, None, self._active_cart(choice)))

    def post(self, request: HttpRequest) -> HttpResponse:
        choice = read_choice(request.POST)
        if choice is None:
            return SeeOther(reverse("shop-catalogue"))
        forms = self._forms(choice, request.POST)
        try:
            if not self.customer:
                self.count("register")
        except Throttled as refusal:
            return self.refuse(refusal, **self._facts(choice, forms))
        wrong = [
            form for form in self._needed(forms).values() if not form.is_valid()
        ]  # each shows its errors
        if wrong:
            return self._show(choice, forms, HTTPStatus.BAD_REQUEST)
        draft = self._draft(choice, forms)
        if self.customer:
            change_phone(self.customer, draft["contact"]["phone"])
            return to_review(request, self.customer, draft, self.language)
        contact = draft["contact"]
        guest = None
        if not settings.REGISTRATION_BY_CODE:
            guest = create_guest(email=draft["email"], language=self.language, **contact)
        if guest is None:
            try:
                return self._ask_for_code(draft)
            except (Refusal, Throttled) as refusal:  # nothing that was typed is lost
                return self.refuse(refusal, **self._facts(choice, forms))
        sign_in(request, guest)
        return to_review(request, guest, draft, self.language)

    def _active_cart(self, choice: dict[str, Any]) -> Cart | None:
        """What a person has typed for this package already, to be changed."""
        mine = Cart.objects.filter(user=self.customer, status=Cart.Status.ACTIVE, package=choice["package"])
        return mine.first() if self.customer else None

    def _forms(self, choice: dict[str, Any], data: Any, cart: Cart | None = None) -> dict[str, Any]:
        forms: dict[str, Any] = {
            "contact": PersonForm(self.customer, data) if self.customer else ContactForm(data)
        }
        forms["devotees"] = DevoteeForm(data, instance=cart)
        if choice["puja"].type == PujaService.Type.HOME:
            if self.customer:
                chosen = {"address": f"{cart.address_id}"} if cart and cart.address_id else None
                forms["choice"] = AddressChoiceForm(self.customer, data, initial=chosen)
            forms["address"] = AddressForm(data)
        return forms

    def _needed(self, forms: dict[str, Any]) -> dict[str, Any]:
        """Without the fields of a new address when one of the person's is chosen."""
        which = forms.get("choice")
        if which is not None and which.data.get("address") not in (None, AddressChoiceForm.NEW):
            return {name: form for name, form in forms.items() if name != "address"}
        return forms

    def _draft(self, choice: dict[str, Any], forms: dict[str, Any]) -> dict[str, Any]:
        typed = forms["contact"].cleaned_data
        email = self.customer.email if self.customer else typed["email"]
        contact = {"first_name": typed.get("name", ""), "phone": typed["phone"]}
        address: dict[str, Any] | int | None = None
        if "address" in forms:
            chosen = forms["choice"].cleaned_data["address"] if "choice" in forms else AddressChoiceForm.NEW
            address = forms["address"].cleaned_data if chosen == AddressChoiceForm.NEW else int(chosen)
        what = {**choice, "service": choice["puja"].pk, "package": choice["package"].pk}
        return make_draft(what, email, contact, forms["devotees"].cleaned_data, address)

    def _ask_for_code(self, draft: dict[str, Any]) -> HttpResponse:
        self.count("code")
        codes.request(draft["email"], OneTimeCode.Purpose.LOGIN, self.address)
        self.request.session[DRAFT], self.request.session[CODE_EMAIL] = draft, draft["email"]
        return SeeOther(reverse("shop-code"))

    def _show(
        self, choice: dict[str, Any], forms: dict[str, Any], status: int = HTTPStatus.OK
    ) -> HttpResponse:
        return self.show(status, **self._facts(choice, forms))

    def _facts(self, choice: dict[str, Any], forms: dict[str, Any]) -> dict[str, Any]:
        here = address_with(self.request.path, link_to(choice))
        context = {f"{name}_form": form for name, form in forms.items()}
        return {"here": here, "is_down": not paying_works(), **choice, **context}


def link_to(choice: dict[str, Any]) -> dict[str, str]:
    """The parameters that `read_choice` reads."""
    return {
        "package": f"{choice['package'].pk}",
        "date": f"{choice['date']:%Y-%m-%d}",
        "time": f"{choice['time']:%H:%M}",
    }


def read_choice(data: Any) -> dict[str, Any] | None:
    """The package, its puja, and the time; None for what is no choice, or not sold any more."""
    form = ChoiceForm(data)
    if not form.is_valid():
        return None
    on_sale = (
        Package.objects.priced()
        .select_related("puja_service__category")
        .filter(pk=form.cleaned_data["package"], is_active=True, puja_service__is_active=True)
    )
    if (package := on_sale.first()) is None:
        return None
    day, time = form.cleaned_data["date"], form.cleaned_data["time"]
    starts_at = timezone.make_aware(datetime.combine(day, time))
    return {
        "package": package,
        "puja": package.puja_service,
        "date": day,
        "time": time,
        "starts_at": starts_at,
    }


def to_review(request: HttpRequest, person: User, draft: dict[str, Any], language: str) -> HttpResponse:
    """Fills the cart and leads to it; back to the calendar with a sentence when the time is not free any more."""
    if settings.LANGUAGE_COOKIE_NAME in request.COOKIES and person.language != language:
        User.objects.filter(pk=person.pk).update(language=language)  # mails follow what was chosen here
    try:
        cart = fill(person, draft)
    except (ValidationError, Refusal) as refusal:
        messages.error(request, translated(refusal, language))
        query = urlencode({"package": draft["package"], "day": draft["date"]})
        return SeeOther(f"{reverse('shop-times', args=[draft['service']])}?{query}")
    typed = draft["contact"]["phone"]
    if (
        typed and typed != person.phone
    ):  # it was typed before they signed in: a profile is not changed by that
        text = _(
            "The priest calls you on the number of your account, not on {typed}. You can change it below."
        )
        messages.warning(request, text.format(typed=typed))
    return SeeOther(reverse("shop-review", args=[cart.cart_id]))


class ReviewPage(CustomerPage):
    """One cart of the person who is signed in: what it is, what it costs, and the button to pay."""

    template: ClassVar[str] = "storefront/review.html"

    def get(self, request: HttpRequest, cart_id: UUID) -> HttpResponse:
        return self._show(self._cart(cart_id))

    def post(self, request: HttpRequest, cart_id: UUID) -> HttpResponse:
        """`do` is the button that was pressed."""
        cart = self._cart(cart_id)
        actions = {
            "pay": self._pay,
            "promo": self._apply_promo,
            "no-promo": self._remove_promo,
            "time": self._change_time,
            "free": self._give_up,
        }
        action = actions.get(request.POST.get("do", ""))
        if action is None:
            raise Http404
        try:
            return action(cart)
        except APIException as refusal:
            if isinstance(refusal, NO_PAGE):
                watch(self.person)  # they are told by mail when paying works again
            answer = self._show(self._cart(cart_id), refusal)
            add_retry_after(answer, refusal)
            return answer

    def _cart(self, cart_id: UUID) -> Cart:
        """Of this person alone. Raises Http404."""
        carts = Cart.objects.select_related(
            "user", "puja_service__category", "package", "promo_code", "address"
        )
        carts = with_package_price(carts)
        return get_object_or_404(carts, cart_id=cart_id, user=self.person)

    def _pay(self, cart: Cart) -> HttpResponse:
        """To the page at PhonePe: of the payment that is open, if there is one. A cart has one at most."""
        self.count("payment")
        if needs_address(cart):
            raise AddressMissing
        total = self.request.POST.get("total", "")
        is_short = total.isascii() and total.isdigit() and len(total) <= LONGEST_TOTAL
        is_number = is_short and int(total) < LARGEST_TOTAL
        start = start_payment(
            self.person,
            cart_id=cart.cart_id,
            address_id=cart.address_id,
            expected_paise=int(total) if is_number else None,
            network=client_network(self.request),
            frontend=OUR_PAGES,
        )
        return SeeOther(start.attempt.page_url)

    def _apply_promo(self, cart: Cart) -> HttpResponse:
        form = PromoForm(self.request.POST)
        if not form.is_valid():
            return self._show(cart, promo_form=form, status=HTTPStatus.BAD_REQUEST)
        code = form.cleaned_data["promo_code"]
        try:
            self.count("promo")
            with guarded_promo(code, self.person.pk, self.address):
                set_promo(cart, code)
        except APIException as refusal:
            form.add_error("promo_code", self.sentence_of(refusal))
            answer = self._show(self._cart(cart.cart_id), promo_form=form, status=refusal.status_code)
            add_retry_after(answer, refusal)
            return answer
        return SeeOther(self.request.path)

    def _remove_promo(self, cart: Cart) -> HttpResponse:
        set_promo(cart, None)
        return SeeOther(self.request.path)

    def _change_time(self, cart: Cart) -> HttpResponse:
        slot_id = self.request.POST.get("slot", "")
        slots = Slot.objects.filter(service_id=cart.puja_service_id)
        slot = (
            slots.filter(pk=slot_id).first()
            if slot_id.isascii() and slot_id.isdigit() and len(slot_id) < 19
            else None
        )
        if slot is None:
            raise Http404
        start = timezone.localtime(slot.starts_at)
        changed = change_cart(cart, selected_date=start.date(), selected_time=start.time())
        return SeeOther(reverse("shop-review", args=[changed.cart_id]))

    def _give_up(self, cart: Cart) -> HttpResponse:
        """Ends the open payment, so that the cart can be changed; an order that was paid meanwhile is booked."""
        self.count("payment")
        checkout = cart.checkouts.select_related("payment").filter(state=Checkout.State.RESERVED).first()
        if checkout is not None and checkout.payment.state == PaymentState.PENDING:
            give_up(checkout.payment, GIVE_UP_SECONDS)
        return SeeOther(self.request.path)

    def _choose_again(self, cart: Cart) -> HttpResponse:
        """Another cart was filled since."""
        sentence = _(
            "You have chosen something else since, and nothing was paid here. Please choose a time again."
        )
        messages.warning(self.request, sentence)
        return SeeOther(f"{reverse('shop-times', args=[cart.puja_service_id])}?package={cart.package_id}")

    def _show(
        self,
        cart: Cart,
        refusal: APIException | None = None,
        promo_form: PromoForm | None = None,
        status: int = HTTPStatus.OK,
    ) -> HttpResponse:
        if cart.status == Cart.Status.ABANDONED:
            return self._choose_again(cart)
        checkout = None
        if cart.status != Cart.Status.ACTIVE:
            checkout = get_object_or_404(cart.checkouts.exclude(state=Checkout.State.RELEASED))
        if checkout is not None and cart.status == Cart.Status.CONVERTED:
            return SeeOther(reverse("shop-booking", args=[checkout.booking.book_id]))
        costs = _costs_as_agreed(checkout) if checkout else _costs_now(cart)
        starts_at = checkout.starts_at if checkout else cart.starts_at
        where = checkout.agreed_address if checkout else cart.address
        is_full = isinstance(refusal, SlotFull)
        slots = Slot.objects.filter(service=cart.puja_service_id, starts_at=starts_at)
        others = nearest_free_slots(cart.puja_service_id, starts_at, earliest_start()) if is_full else []
        if others:  # as buttons, and not in the sentence as well
            refusal = SlotFull()
        return self.show(
            status if refusal is None else refusal.status_code,
            cart=cart,
            checkout=checkout,
            starts_at=starts_at,
            **costs,
            promo_form=promo_form or PromoForm(),
            where=where if cart.puja_service.type == PujaService.Type.HOME else None,
            needs_address=needs_address(cart),
            phone=format_phone(self.person.phone),
            change=address_with(
                reverse("shop-details"),
                link_to({"package": cart.package, "date": cart.selected_date, "time": cart.selected_time}),
            ),
            rules=shares_in_words(starts_at, costs["total_paise"]),
            notice=self.sentence_of(refusal) if refusal else "",
            is_full=is_full,
            full_slot=slots.first() if is_full else None,
            is_down=not paying_works(),
            is_watched=isinstance(refusal, NO_PAGE),
            others=others,
        )


def _costs_as_agreed(checkout: Checkout) -> dict[str, Any]:
    return {
        "total_paise": checkout.total_paise,
        "price_paise": checkout.price_paise,
        "discount_paise": checkout.discount_paise,
    }


def _costs_now(cart: Cart) -> dict[str, Any]:
    """Remembers the total as shown: check-out takes no more than that."""
    price = calculate_price(cart)
    record_shown_total(cart, price.total_paise)
    return {
        "total_paise": price.total_paise,
        "price_paise": price.price_paise,
        "discount_paise": price.discount_paise,
        "problem": price.problem,
    }


def needs_address(cart: Cart) -> bool:
    """What was checked out has the address that was agreed on."""
    is_at_home = cart.puja_service.type == PujaService.Type.HOME
    return is_at_home and cart.status == Cart.Status.ACTIVE and cart.address_id is None

"""The one ACTIVE cart of a person: what may stand in it, and how it is replaced, changed, deleted."""

import math
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ValidationError

import booking.services.promos as promos
from accounts.models import User
from accounts.services import lock_active_user, lock_user
from booking.devotees import DEVOTEE_FIELDS
from booking.models import ON_SALE, Cart, Checkout, OpeningTimes, Package, PujaService, Slot
from booking.pricing import find_promo_problem, with_package_price
from booking.services.places import SlotFull, earliest_start, free_slots, is_offered
from core.compiled import CompiledRead
from core.databases import Query
from core.dates import spell_date, spell_time
from core.errors import Conflict, InvalidField, Refusal
from core.language import Text

FURTHEST = timedelta(days=365)
DAYS_SHOWN, TIMES_SHOWN, SLOTS_READ = 2, 8, 50  # of the free times in a refusal
PAYMENT_OPEN = _("A payment for this cart is still open. Finish it, cancel it, or wait until it has expired.")


def fill_cart(
    user: User,
    *,
    puja_service: int,
    package_id: int,
    selected_date: date,
    selected_time: time,
    promo_code: str | None = None,
    address_id: int | None = None,
    **devotees: Any,
) -> Cart:
    """A new ACTIVE cart in place of the old one, which is given up only when the new one is fine.

    Takes ids of service and package; date and time as people in our time zone say them; for whom it is, by the names of
    DEVOTEE_FIELDS; `address_id`: one of the user's own. A checked-out cart is not touched. Raises ValidationError on
    the field that is wrong, SlotFull.
    """
    cart = _build_cart(user, puja_service, package_id, selected_date, selected_time, promo_code, **devotees)
    cart.address_id = address_id
    with transaction.atomic():
        lock_active_user(user.pk)
        _replace_active(cart)
    return cart


@transaction.atomic
def change_cart(cart: Cart, **changes: Any) -> Cart:
    """The cart with the changes, named as in `fill_cart`. Raises as that does, and `cart_not_active`.

    A cart that was checked out before stays as it is and a new one replaces it: money that comes late for
    the old one must find what it was paid for.
    """
    lock_active_user(cart.user_id)
    current = lock_active(cart)
    draft = _build_cart(current.user, **_read_choice(current) | changes)
    draft.address_id = current.address_id
    if current.checkouts.exists():
        _replace_active(draft)
        return draft
    for name in ("puja_service", "package", "selected_date", "selected_time", "promo_code", *DEVOTEE_FIELDS):
        setattr(current, name, getattr(draft, name))
    current.save()
    return current


@transaction.atomic
def set_promo(cart: Cart, code: str | None) -> Cart:
    """Applies the code, or removes it with None. Raises ValidationError on `promo_code`."""
    current = lock_active(cart)
    _set_promo(current, code)
    current.save(update_fields=["promo_code", "updated_at"])
    return current


def record_shown_total(cart: Cart, total_paise: int) -> None:
    """Write down what the owner of this ACTIVE cart is shown: checkout takes no more without asking.

    Free when nothing has changed. A cart that is checked out shows what was frozen.
    """
    if cart.status != Cart.Status.ACTIVE or cart.shown_paise == total_paise:
        return
    Cart.objects.filter(pk=cart.pk, status=Cart.Status.ACTIVE).update(shown_paise=total_paise)
    cart.shown_paise = total_paise


@transaction.atomic
def delete_cart(cart: Cart) -> None:
    """Twice is once. Raises Refusal: with `wait_minutes` and `can_cleanup` while a payment for it is open."""
    current = _lock(cart)
    if current.status == Cart.Status.CHECKED_OUT:
        raise Refusal(PAYMENT_OPEN, code="payment_open", **deletion_status(current))
    if current.status == Cart.Status.CONVERTED:
        raise Refusal(_("This cart has been booked."), code="cart_booked", **deletion_status(current))
    _abandon_active(current.user, pk=current.pk)


@transaction.atomic
def clear_carts(user: User) -> None:
    """Empties the cart that can still be changed. Raises Refusal, as `delete_cart`, while another one is being paid.

    Nothing is cleared then: the page shows the one that is being paid, and would say that it is gone.
    """
    lock_user(user.pk)
    paid_for = Cart.objects.filter(user=user, status=Cart.Status.CHECKED_OUT).order_by("-pk").first()
    if paid_for is not None:
        raise Refusal(PAYMENT_OPEN, code="payment_open", **deletion_status(paid_for))
    _abandon_active(user)


def deletion_status(cart: Cart) -> dict[str, Any]:
    """Whether the cart may be deleted; if not, after how many minutes its open payment expires."""
    checkout = cart.checkouts.filter(state=Checkout.State.RESERVED).first()
    seconds_left = (checkout.expires_at - timezone.now()).total_seconds() if checkout else 0
    return {
        "can_delete": cart.status == Cart.Status.ACTIVE,
        "wait_minutes": max(0, math.ceil(seconds_left / 60)),
        "can_cleanup": cart.status == Cart.Status.CHECKED_OUT,
    }


@CompiledRead
def locked_carts(cart_id: int, user_id: int) -> QuerySet[Cart]:
    """With what they point at, and the price of now."""
    rows = Cart.objects.select_related("user", "puja_service__category", "package", "promo_code")
    rows = with_package_price(rows)
    return rows.filter(pk=cart_id, user=user_id).select_for_update(of=("self",), no_key=True)


def lock_active(cart: Cart) -> Cart:
    """The row as it is now, locked. Raises Conflict `cart_not_active`."""
    current = _lock(cart)
    refuse_unless_active(current)
    return current


def refuse_unless_active(cart: Cart) -> None:
    if cart.status == Cart.Status.CHECKED_OUT:
        raise Conflict(PAYMENT_OPEN, code="cart_not_active")
    if cart.status != Cart.Status.ACTIVE:
        raise Conflict(_("This cart is closed. Please fill a new one."), code="cart_not_active")


def _lock(cart: Cart) -> Cart:
    return read_again_if_changed(cart, locked_carts, locked_carts.first(cart.pk, cart.user_id))


def read_again_if_changed(cart: Cart, carts: CompiledRead[[int, int], Cart], locked: Cart | None) -> Cart:
    """What `carts` has found of this cart, with what it points at, in one statement while nobody changes it.

    A row that was changed while PostgreSQL waited for it is joined to what it had pointed at before: a cart
    whose package is another one now is not found at all, and one whose promo code is another one has none. Then it
    is read again, under its lock.
    """
    if locked is not None and (locked.promo_code_id is None) == (locked.promo_code is None):
        return locked
    Cart.objects.select_for_update(no_key=True).only("pk").get(pk=cart.pk)
    return carts.get(cart.pk, cart.user_id)


def finding_slot(cart: Cart) -> list[Query[list[Slot]]]:
    """Reads what `require_bookable` looks at. Nothing for a date that the database may not know."""
    return [] if _find_date_problem(cart) else [_slots_on_sale.query(cart.puja_service_id, cart.starts_at)]


def require_bookable(cart: Cart, slots: Collection[Slot] = ()) -> Slot | None:
    """Everything that must be true of a choice; asked again at checkout. Returns its slot, if any.

    `slots`: by `finding_slot` in this transaction; the cart may have had another choice then.
    Raises ValidationError, or SlotFull.
    """
    if not cart.puja_service.is_active:
        raise ValidationError({"puja_service": [_("This puja is not offered at the moment.")]})
    if not cart.package.is_active or cart.package.puja_service_id != cart.puja_service_id:
        raise ValidationError({"package_id": [_("This package is not offered for this puja.")]})
    wrong = _find_date_problem(cart)  # before its moment reaches the database, which does not know every one
    chosen = (cart.puja_service_id, cart.starts_at)
    slot = next((slot for slot in slots if (slot.service_id, slot.starts_at) == chosen), None)
    if not wrong and slot is None:
        slot = _slots_on_sale.first(*chosen)
    has_slots = slot is not None or cart.puja_service.slots.exists()
    if wrong:
        field, problem = wrong
        raise InvalidField(field, add_free_times(problem, cart) if has_slots else problem)
    if has_slots:
        return _require_free(slot, cart)
    _require_opening_hours(cart)
    return None


@CompiledRead
def _slots_on_sale(service_id: int, starts_at: datetime) -> QuerySet[Slot]:
    return Slot.objects.filter(ON_SALE, service=service_id, starts_at=starts_at)


def add_free_times(problem: Text, cart: Cart) -> Text:
    """The sentence, and the times to choose instead: pages that know no slots show nothing else of them.

    Those of the chosen day and of the next one that has any; without any from there on, of the first days.
    """
    today = timezone.localdate()
    free = free_slots(cart.puja_service_id, earliest_start()).filter(starts_at__date__lte=today + FURTHEST)
    chosen = min(max(cart.selected_date, today), today + FURTHEST)
    day_begins = timezone.make_aware(datetime.combine(chosen, time.min))
    starts = list(free.filter(starts_at__gte=day_begins).values_list("starts_at", flat=True)[:SLOTS_READ])
    starts = starts or list(free.values_list("starts_at", flat=True)[:SLOTS_READ])
    days = [(day, [*times]) for day, times in groupby(map(timezone.localtime, starts), key=datetime.date)]
    named = [
        format_lazy(
            "{day}: {times}",
            day=lazy(spell_date, str)(day, year=False),
            times=lazy(_listed, str)(tuple(times[:TIMES_SHOWN]), len(times) > TIMES_SHOWN),
        )
        for day, times in days[:DAYS_SHOWN]
    ]
    if not named:
        return format_lazy(
            "{problem} {none}", problem=problem, none=_("No time of it is free at the moment.")
        )
    free_on = format_lazy(_("Free on {days}."), days=format_lazy("; ".join(["{}"] * len(named)), *named))
    return format_lazy("{problem} {free_on}", problem=problem, free_on=free_on)


def _find_date_problem(cart: Cart) -> tuple[str, Text] | None:
    """The field, and what is wrong with it."""
    today = timezone.localdate()
    if cart.selected_date < today:
        return "selected_date", _("This date has passed.")
    if cart.selected_date > today + FURTHEST:
        return "selected_date", _("Bookings open one year ahead.")
    if cart.starts_at <= timezone.now():
        return "selected_time", _("This time has passed.")
    if cart.starts_at < (earliest := timezone.localtime(earliest_start())):
        near = _("This time is too near. Choose one after {time} on {date}.")
        at = {"time": lazy(spell_time, str)(earliest), "date": lazy(spell_date, str)(earliest, year=False)}
        return "selected_time", format_lazy(near, **at)
    return None


def _require_free(slot: Slot | None, cart: Cart) -> Slot:
    if slot is None:
        problem = _("This puja does not start at that time. Choose one of its slots.")
        raise InvalidField("selected_time", add_free_times(problem, cart))
    if not slot.available and not is_offered(cart.user_id, slot):
        raise slot_full(cart)
    return slot


def slot_full(cart: Cart) -> SlotFull:
    return SlotFull(add_free_times(SlotFull.default_detail, cart))


def require_open_start(service: PujaService, starts_at: datetime) -> None:
    """For a puja without slots. Raises InvalidField for a start that nobody could buy now."""
    start = timezone.localtime(starts_at)
    draft = Cart(puja_service=service, selected_date=start.date(), selected_time=start.time())
    if wrong := _find_date_problem(draft):
        raise InvalidField(*wrong)
    _require_opening_hours(draft)


def _require_opening_hours(cart: Cart) -> None:
    """Of a puja without slots."""
    times = OpeningTimes.around(cart.starts_at)
    if times.allow_start(cart.puja_service_id, cart.starts_at):
        return
    spans = times.open_spans(cart.puja_service_id, cart.selected_date)
    if not spans or any(opens <= cart.selected_time <= closes for opens, closes in spans):
        raise InvalidField("selected_date", _("We are closed then. Please choose another day or time."))
    if len(spans) == 1:
        opens, closes = (lazy(spell_time, str)(each) for each in spans[0])
        between = _("Choose a time between {opens} and {closes}.")
        raise InvalidField("selected_time", format_lazy(between, opens=opens, closes=closes))
    hours = lazy(_joined_spans, str)(spans)
    raise InvalidField("selected_time", format_lazy(_("Choose a time within {hours}."), hours=hours))


def _listed(times: tuple[datetime, ...], has_more: bool) -> str:
    return ", ".join(map(spell_time, times)) + ", …" * has_more


def _joined_spans(spans: list[tuple[time, time]]) -> str:
    return ", ".join(f"{spell_time(opens)}–{spell_time(closes)}" for opens, closes in spans)


def _build_cart(
    user: User,
    puja_service: int,
    package_id: int,
    selected_date: date,
    selected_time: time,
    promo_code: str | None,
    **devotees: Any,
) -> Cart:
    """A cart that is not saved yet, with everything checked."""
    service = PujaService.objects.select_related("category").filter(pk=puja_service).first()
    if service is None:
        raise ValidationError({"puja_service": [_("This puja does not exist.")]})
    package = Package.objects.priced().filter(pk=package_id).first()
    if package is None:
        raise ValidationError({"package_id": [_("This package does not exist.")]})
    cart = Cart(user=user, puja_service=service, package=package, **devotees)
    cart.selected_date, cart.selected_time = selected_date, selected_time
    require_bookable(cart)
    _set_promo(cart, promo_code)
    return cart


def _read_choice(cart: Cart) -> dict[str, Any]:
    return {
        "puja_service": cart.puja_service_id,
        "package_id": cart.package_id,
        "selected_date": cart.selected_date,
        "selected_time": cart.selected_time,
        "promo_code": cart.promo_code.code if cart.promo_code else None,
        **{name: getattr(cart, name) for name in DEVOTEE_FIELDS},
    }


def _set_promo(cart: Cart, code: str | None) -> None:
    cart.promo_code = promos.find(code) if code else None
    if cart.promo_code and (problem := find_promo_problem(cart.promo_code, cart)):
        raise promos.refuse(problem)


def _replace_active(cart: Cart) -> None:
    """Under the person's lock, so that the unique constraint on ACTIVE carts never has to speak."""
    _abandon_active(cart.user)
    cart.save(force_insert=True)


def _abandon_active(user: User, **which: Any) -> None:
    active = Cart.objects.filter(user=user, status=Cart.Status.ACTIVE, **which)
    active.update(status=Cart.Status.ABANDONED, updated_at=timezone.now())

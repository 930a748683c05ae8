"""The history of one kind of rows, newest first: who, when, what before and what after."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.utils.html import strip_tags
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.second_factor import REMOVED, SET_UP
from backoffice import rights
from booking.models import (
    ClosedPeriod,
    OpeningHours,
    Package,
    PackagePrice,
    PromoCode,
    PujaCategory,
    PujaService,
)
from core.dates import spell_moment, spell_time
from core.language import ENGLISH, Text, localized
from core.money import grouped

PAGE = 50
LONGEST = 120  # letters of a value: a description is compared in the catalogue itself
KINDS: dict[str, tuple[Text, type[Model], str]] = {
    "prices": (gettext_lazy("Packages and prices"), Package, rights.SEE_PACKAGES),
    "planned-prices": (gettext_lazy("Prices from a moment on"), PackagePrice, rights.SEE_PACKAGES),
    "pujas": (gettext_lazy("Pujas"), PujaService, rights.SEE_CATALOGUE),
    "categories": (gettext_lazy("Categories"), PujaCategory, rights.SEE_CATALOGUE),
    "promo-codes": (gettext_lazy("Promo codes"), PromoCode, rights.SEE_PROMO_CODES),
    "opening-hours": (gettext_lazy("Opening hours"), OpeningHours, rights.SEE_SLOTS),
    "closed-days": (gettext_lazy("Closed days"), ClosedPeriod, rights.SEE_SLOTS),
    "accounts": (gettext_lazy("Accounts and roles"), User, rights.ASSIGN_ROLES),
}
COLUMNS: dict[str, Text] = {
    "puja_service": gettext_lazy("Puja"),
    "package": gettext_lazy("Package"),
    "category": gettext_lazy("Category"),
    "title": gettext_lazy("Title"),
    "title_hi": gettext_lazy("Title in Hindi"),
    "name": gettext_lazy("Name"),
    "name_hi": gettext_lazy("Name in Hindi"),
    "description": gettext_lazy("Description"),
    "description_hi": gettext_lazy("Description in Hindi"),
    "preparation": gettext_lazy("What to have ready"),
    "preparation_hi": gettext_lazy("What to have ready, in Hindi"),
    "location": gettext_lazy("Place"),
    "location_hi": gettext_lazy("Place in Hindi"),
    "language": gettext_lazy("Language"),
    "package_type": gettext_lazy("Kind"),
    "type": gettext_lazy("Where"),
    "price_paise": gettext_lazy("Price"),
    "valid_from": gettext_lazy("Valid from"),
    "includes_materials": gettext_lazy("With materials"),
    "priest_count": gettext_lazy("Number of priests"),
    "duration_minutes": gettext_lazy("Duration in minutes"),
    "is_active": gettext_lazy("Sold"),
    "position": gettext_lazy("Position in the list"),
    "sac": gettext_lazy("Service code for GST"),
    "image_url": gettext_lazy("Address of the picture"),
    "picture": gettext_lazy("Picture"),
    "picture_width": gettext_lazy("Width of the picture"),
    "picture_height": gettext_lazy("Height of the picture"),
    "code": gettext_lazy("Code"),
    "code_type": gettext_lazy("For whom"),
    "discount_type": gettext_lazy("Kind of discount"),
    "percent": gettext_lazy("Percent"),
    "amount_paise": gettext_lazy("Amount taken off"),
    "min_order_paise": gettext_lazy("Least order"),
    "max_discount_paise": gettext_lazy("Most discount"),
    "starts_at": gettext_lazy("Valid from"),
    "expires_at": gettext_lazy("Valid until"),
    "usage_limit": gettext_lazy("Most uses"),
    "service": gettext_lazy("Puja"),
    "weekday": gettext_lazy("Weekday"),
    "opens": gettext_lazy("Opens"),
    "closes": gettext_lazy("Closes"),
    "begins": gettext_lazy("Begins"),
    "ends": gettext_lazy("Ends"),
    "reason": gettext_lazy("Reason"),
    "role": gettext_lazy("Kind of account"),
    "account_status": gettext_lazy("State of the account"),
    "is_staff": gettext_lazy("Works at the desk"),
    "is_superuser": gettext_lazy("May do everything"),
}
# What `assign_role` writes.
ROLE = re.compile(r"role: (?P<before>.+?) → (?P<after>.+?): (?P<reason>.*)", re.DOTALL)
REASONS = {
    SET_UP: gettext_lazy("second factor set up"),
    REMOVED: gettext_lazy("second factor removed"),
}
WHAT = {"+": gettext_lazy("added"), "~": gettext_lazy("changed"), "-": gettext_lazy("deleted")}


@dataclass(frozen=True)
class Change:
    column: str
    before: str
    after: str
    language: str  # that the values are written in


@dataclass(frozen=True)
class Entry:
    at: datetime
    who: str
    what: Text
    is_new: bool  # added: before it there was nothing
    name: str
    reason: str
    changes: list[Change]


def history(kind: str, before: int | None = None) -> tuple[list[Entry], int | None]:
    """A page of entries, and the key to go on with (`before`); in three statements."""
    model = apps.get_model("backoffice", f"Historical{KINDS[kind][1].__name__}")
    rows = model._default_manager.order_by("-history_id").select_related("history_user")
    if before is not None:
        rows = rows.filter(history_id__lt=before)
    earlier = model._default_manager.filter(id=OuterRef("id"), history_id__lt=OuterRef("history_id"))
    latest = earlier.order_by("-history_id").values("history_id")[:1]
    page = [*rows.annotate(former=Subquery(latest))[: PAGE + 1]]
    events = page[:PAGE]
    former = model._default_manager.in_bulk([row.former for row in events if row.former])
    names = _names(KINDS[kind][1], events)
    entries = [
        Entry(
            at=row.history_date,
            who=row.history_user.full_name or row.history_user.email if row.history_user else _("the system"),
            what=WHAT[row.history_type],
            is_new=row.history_type == "+",
            name=names[row.history_id],
            reason=_reason(row.history_change_reason or ""),
            changes=[*_changes(row, former.get(row.former))],
        )
        for row in events
    ]
    return entries, events[-1].history_id if len(page) > PAGE else None


def _reason(text: str) -> str:
    """In the language of the reader, but for what somebody wrote."""
    if role := ROLE.fullmatch(text):
        before, after = (str(rights.NAMES.get(name, _("none"))) for name in role.group("before", "after"))
        return _("role: {before} → {after}: {reason}").format(
            before=before, after=after, reason=role["reason"]
        )
    return str(REASONS.get(text, text))


def _names(model: type[Model], entries: list[Any]) -> dict[int, str]:
    """By entry. What there is has its name of today; what was deleted the one it had."""
    if model in (OpeningHours, ClosedPeriod):
        pujas = PujaService.objects.in_bulk([row.service_id for row in entries if row.service_id])
        return {row.history_id: _time(row, pujas.get(row.service_id)) for row in entries}
    if model in (Package, PackagePrice):
        key = "id" if model is Package else "package_id"
        rows: QuerySet[Any] = Package.objects.select_related("puja_service")
    else:
        key, rows = "id", model._default_manager.all()
    there = rows.in_bulk([getattr(row, key) for row in entries])
    return {row.history_id: _name(model, there.get(getattr(row, key)), row) for row in entries}


def _name(model: type[Model], current: Any, row: Any) -> str:
    if model is PackagePrice or (model is Package and current):
        return _package(current) if current else f"{row.package_id}"
    if model is User:
        return str(current or row.id)
    column = {PujaService: "title", PujaCategory: "name", PromoCode: "code", Package: "location"}[model]
    return localized(current or row, column)


def _time(row: Any, puja: PujaService | None) -> str:
    """Opening hours are deleted and added, never changed: the name of an entry says all of them."""
    if puja:
        of = localized(puja, "title")
    else:  # deleted, with its hours
        of = f"{COLUMNS['service']} {row.service_id}" if row.service_id else _("all pujas")
    if hasattr(row, "weekday"):
        hours = f"{spell_time(row.opens)} – {spell_time(row.closes)}" if row.opens else _("closed")
        return f"{row.get_weekday_display()}, {hours} ({of})"
    return f"{spell_moment(row.begins)} – {spell_moment(row.ends)} ({of})"


def _package(package: Package) -> str:
    words = (
        package.get_package_type_display(),
        package.get_language_display(),
        localized(package, "location"),
    )
    return f"{localized(package.puja_service, 'title')}: {', '.join(map(str, words))}"


def _changes(row: Any, former: Any) -> Iterator[Change]:
    """Against the row before. Of the first one that we know, all that is filled."""
    for field in row.tracked_fields:
        if field.primary_key or (
            field.is_relation and not former
        ):  # the name of the row says what it belongs to
            continue
        after = getattr(row, field.attname)
        before = getattr(former, field.attname) if former else None
        if before != after and (former or after not in (None, "")):
            is_english = f"{field.name}_hi" in COLUMNS
            language = (
                ENGLISH if is_english else "hi" if field.name.endswith("_hi") else get_language() or ENGLISH
            )
            yield Change(
                str(COLUMNS[field.name]), _readable(field, before), _readable(field, after), language
            )


def _readable(field: Any, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if field.attname.endswith("_paise"):
        return f"₹{grouped(value)}"
    if isinstance(value, datetime):
        return spell_moment(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = strip_tags(str(dict(field.flatchoices).get(value, value)))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

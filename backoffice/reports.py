"""What came and what went back in a period, by puja, package, priest, city, month or means: sums of the ledger."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Max, OuterRef, Q, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Concat, TruncMonth
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from booking.models import Assignment, Package, Priest
from core.dates import spell_month
from core.language import Text, localized
from payment.models import PAYING, LedgerEntry, ManualEntry
from payment.reconciliation.days import span

Kind = LedgerEntry.Kind
WENT_BACK = (Kind.REFUND, Kind.CHARGEBACK)
MOST_ROWS = 500


@dataclass(frozen=True)
class Dimension:
    title: Text
    value: Combinable


@dataclass(frozen=True)
class Row:
    name: str
    payments: int
    came_paise: int
    back_paise: int
    share: int  # of the largest row, in percent

    @property
    def left_paise(self) -> int:
        return self.came_paise - self.back_paise


@dataclass(frozen=True)
class Report:
    rows: list[Row]
    total: Row
    is_cut: bool


CHECKOUT = "payment__checkout__"
METHODS: dict[str, Text] = {"PHONEPE": "PhonePe", **dict(ManualEntry.Means.choices)}
PERFORMED = Assignment.objects.filter(freed_at=None, booking__checkout=OuterRef("payment__checkout"))
DIMENSIONS: dict[str, Dimension] = {
    "puja": Dimension(gettext_lazy("Puja"), F(f"{CHECKOUT}puja_title")),
    "package": Dimension(
        gettext_lazy("Package"),
        Concat(
            F(f"{CHECKOUT}puja_title"),
            Value(", "),
            F(f"{CHECKOUT}package_type"),
            Value(", "),
            F(f"{CHECKOUT}package_location"),
        ),
    ),
    # Of several priests the first one, so that no rupee counts twice.
    "priest": Dimension(gettext_lazy("Priest"), Subquery(PERFORMED.order_by("pk").values("priest")[:1])),
    "city": Dimension(gettext_lazy("City"), F(f"{CHECKOUT}address_city")),
    "month": Dimension(gettext_lazy("Month"), TruncMonth("created_at")),
    "means": Dimension(gettext_lazy("Paid by"), F("payment__method")),
}


def report(by: str, first: date, last: date) -> Report:
    """Without fees; pujas and priests in the language of the reader.

    One query, and one for the names of priests, whatever the number of rows.
    """
    begins, ends = span(first)[0], span(last)[1]
    entries = LedgerEntry.objects.filter(
        created_at__gte=begins, created_at__lt=ends, simulated=settings.PHONEPE_SIMULATION_MODE
    ).exclude(kind=Kind.FEE)
    groups = list(
        entries.order_by()
        .values(group=DIMENSIONS[by].value)
        .annotate(
            came=Sum("amount_paise", filter=~Q(kind__in=WENT_BACK), default=0),
            back=-Sum("amount_paise", filter=Q(kind__in=WENT_BACK), default=0),
            payments=Count("pk", filter=Q(kind__in=PAYING)),
            puja=Max(f"{CHECKOUT}puja_title"),
            puja_hi=Max(f"{CHECKOUT}puja_title_hi"),
            kind=Max(f"{CHECKOUT}package_type"),
            place=Max(f"{CHECKOUT}package_location"),
            place_hi=Max(f"{CHECKOUT}package_location_hi"),
        )
        .order_by("group" if by == "month" else "-came", "group")
    )
    largest = max((group["came"] for group in groups), default=0)
    names: dict[Any, str] = {}
    if by == "priest":
        names = {priest.pk: localized(priest, "name") for priest in Priest.objects.only("name", "name_hi")}
    elif by == "package":
        names = {group["group"]: _package(group) for group in groups if group["kind"]}
    elif by == "means":
        names = {method: str(words) for method, words in METHODS.items()}
    elif by == "puja" and _reads_hindi():
        names = {group["group"]: group["puja_hi"] for group in groups if group["puja_hi"]}
    rows = [
        Row(
            _name(by, names.get(group["group"], group["group"])),
            group["payments"],
            group["came"],
            group["back"],
            _percent(group["came"], largest),
        )
        for group in groups
    ]
    total = Row(
        _("Total"),
        sum(row.payments for row in rows),
        sum(row.came_paise for row in rows),
        sum(row.back_paise for row in rows),
        100,
    )
    return Report(rows[:MOST_ROWS], total, is_cut=len(rows) > MOST_ROWS)


def _package(group: dict[str, Any]) -> str:
    """As the shop names it: title, kind, place."""
    title, place = group["puja"], group["place"]
    if _reads_hindi():
        title, place = group["puja_hi"] or title, group["place_hi"] or place
    return f"{title}, {Package.PackageType(group['kind']).label}, {place}"


def _reads_hindi() -> bool:
    return (get_language() or "").startswith("hi")


def _name(by: str, group: Any) -> str:
    if by == "month":
        return spell_month(group)
    empty = {
        "city": _("without an address"),
        "puja": _("Donations"),
        "package": _("Donations"),
        "priest": _("without a priest"),
    }
    return str(group or "").strip(", ") or empty.get(by, "")


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0

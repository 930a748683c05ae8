"""The sidebar: one list, each entry with the right that it needs."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from backoffice import rights
from backoffice.pages import may, sees_rows
from core.language import Text


@dataclass(frozen=True)
class Entry:
    """`page`: the name of a URL. `icon`: a name of Google's Material Symbols. No rights: for who sees any rows."""

    title: Text
    icon: str
    page: str
    rights: tuple[str, ...] = ()


SECTIONS: tuple[tuple[Text, tuple[Entry, ...]], ...] = (
    (
        _("Day"),
        (
            Entry(_("Today"), "today", "desk:today", (rights.SEE_BOOKINGS,)),
            Entry(_("Bookings"), "event_note", "admin:booking_booking_changelist", (rights.SEE_BOOKINGS,)),
            Entry(_("Times"), "calendar_month", "desk:slots", (rights.SEE_SLOTS,)),
            Entry(
                _("Close a time"), "event_busy", "desk:closing", (rights.SEE_BOOKINGS, rights.CHANGE_SLOTS)
            ),
            Entry(_("Approvals"), "how_to_reg", "desk:approvals", (rights.SEE_BOOKINGS, rights.REFUND)),
            Entry(_("Priests"), "groups", "desk:priests", (rights.SEE_PRIESTS,)),
            Entry(_("My day"), "person", "desk:my-day", (rights.OWN_DAY,)),
        ),
    ),
    (
        _("Money"),
        (
            Entry(_("Booking on the phone"), "call", "desk:phone-booking", (rights.MAKE_BOOKINGS,)),
            Entry(_("Payments"), "credit_card", "admin:payment_payment_changelist", (rights.SEE_PAYMENTS,)),
            Entry(_("Cash"), "payments", "desk:cash", (rights.CLOSE_CASH,)),
            Entry(_("Money to give back"), "undo", "desk:handed-over", (rights.TAKE_MONEY,)),
            Entry(
                _("Receipts"), "receipt_long", "desk:papers", (rights.SEE_RECEIPTS, rights.SEE_CREDIT_NOTES)
            ),
            Entry(_("Donations"), "volunteer_activism", "desk:donations", (rights.SEE_DONATIONS,)),
            Entry(_("Exports"), "download", "desk:exports", (rights.SEE_LEDGER,)),
            Entry(_("Reports"), "bar_chart", "desk:reports", (rights.SEE_LEDGER,)),
            Entry(_("Settlements"), "account_balance", "desk:settlements", (rights.COMPARE_SETTLEMENTS,)),
        ),
    ),
    (
        _("Catalogue"),
        (
            Entry(_("Pujas"), "local_fire_department", "desk:catalogue", (rights.SEE_CATALOGUE,)),
            Entry(_("Promo codes"), "sell", "desk:promo-codes", (rights.SEE_PROMO_CODES,)),
        ),
    ),
    (
        _("Behind the desk"),
        (
            Entry(_("Staff"), "badge", "desk:staff", (rights.ASSIGN_ROLES,)),
            Entry(_("Changes"), "history", "desk:history", (rights.SEE_CATALOGUE,)),
            Entry(_("All tables"), "table_view", "desk:tables"),
        ),
    ),
)


def entries_of(request: HttpRequest) -> list[Entry]:
    everything = [entry for _, entries in SECTIONS for entry in entries]
    return [
        each for each in everything if (may(request, *each.rights) if each.rights else sees_rows(request))
    ]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD's SIDEBAR. An entry is active on its page and on the pages below its address."""
    allowed, today = entries_of(request), reverse("desk:today")
    here = today if request.path == reverse("admin:index") else request.path
    sections = []
    for title, entries in SECTIONS:
        items = [
            {
                "title": entry.title,
                "icon": entry.icon,
                "link": (link := reverse(entry.page)),
                "active": here == link or (link != today and here.startswith(link)),
            }
            for entry in entries
            if entry in allowed
        ]
        if items:
            sections.append({"title": title, "separator": True, "items": items})
    return sections


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """UNFOLD's ACCOUNT: the menu of the person who is logged in."""
    return [
        {"title": gettext("Change password"), "link": reverse("admin:password_change")},
        {"title": gettext("Second factor"), "link": reverse("desk:second-factor-setup")},
    ]


def environment_badge(request: HttpRequest) -> list[str]:
    """UNFOLD's ENVIRONMENT, on every page: whether the money is real."""
    if settings.PHONEPE_SIMULATION_MODE:
        return [gettext("Simulation"), "warning"]
    if settings.PHONEPE_ENV == "UAT":
        return [gettext("Test (UAT)"), "warning"]
    return [gettext("Production"), "success"]

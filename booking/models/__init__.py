"""What is sold, wanted, booked. Rows guard themselves by constraints; `booking.services` moves them.

PujaCategory ──< PujaService ──< Package       the catalogue; a puja without slots starts whenever it is open
                                    └──< PackagePrice   what it costs from a moment on
                     └──< Slot                 a start with places
PromoCode                                      a discount
Cart ──< Checkout ─── SlotHold                 what a person wants · what was agreed · its place in a slot
             └── Booking ──< EarlierStart      what was paid for · the starts that it was moved away from
WaitingEntry                                   one person waits for a place of a full slot
HoldNetwork                                    the lock under which the places that one network holds are counted
OpeningHours, ClosedPeriod                     when pujas may begin
Priest ──< Assignment >── Booking              who performs what; PriestLanguage, PriestHours, PriestLeave
CalendarFeed                                   the secret address of a customer's calendar
"""

from booking.models.bookings import Booking, EarlierStart, make_book_id
from booking.models.calendar_feeds import CalendarFeed
from booking.models.carts import Cart
from booking.models.catalogue import (
    LEAST_PAISE,
    CataloguePicture,
    Package,
    PackagePrice,
    PujaCategory,
    PujaService,
)
from booking.models.checkouts import Checkout, HoldNetwork, SlotHold
from booking.models.opening import ClosedPeriod, OpeningHours, OpeningTimes
from booking.models.priests import Assignment, Priest, PriestHours, PriestLanguage, PriestLeave
from booking.models.promo_codes import PromoCode
from booking.models.slots import ON_SALE, Slot
from booking.models.waiting import WaitingEntry

__all__ = [
    "LEAST_PAISE",
    "ON_SALE",
    "Assignment",
    "Booking",
    "CalendarFeed",
    "Cart",
    "CataloguePicture",
    "Checkout",
    "ClosedPeriod",
    "EarlierStart",
    "HoldNetwork",
    "OpeningHours",
    "OpeningTimes",
    "Package",
    "PackagePrice",
    "Priest",
    "PriestHours",
    "PriestLanguage",
    "PriestLeave",
    "PromoCode",
    "PujaCategory",
    "PujaService",
    "Slot",
    "SlotHold",
    "WaitingEntry",
    "make_book_id",
]

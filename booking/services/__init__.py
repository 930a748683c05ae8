"""What moves carts, places and bookings. Each function says which transaction it needs."""

from booking.services.bookings import (
    CartConverted,
    NoticeTooShort,
    book,
    call_off_time,
    cancel,
    complete,
    earliest_move,
    move,
)
from booking.services.carts import (
    change_cart,
    delete_cart,
    deletion_status,
    fill_cart,
    record_shown_total,
    set_promo,
)
from booking.services.checkouts import PriceChanged, check_out, release
from booking.services.demo import demo_cart, demo_package
from booking.services.hold_limits import HoldRefused, forget_networks
from booking.services.places import (
    SlotGone,
    choice_deadline,
    close,
    earliest_start,
    extend_hold,
    forgive_hold,
    hold_expiry,
    lead_time,
    longest_page_life,
    nearby_slots,
    page_life,
    release_hold,
)

__all__ = [
    "CartConverted",
    "HoldRefused",
    "NoticeTooShort",
    "PriceChanged",
    "SlotGone",
    "book",
    "call_off_time",
    "cancel",
    "change_cart",
    "check_out",
    "choice_deadline",
    "close",
    "complete",
    "delete_cart",
    "deletion_status",
    "demo_cart",
    "demo_package",
    "earliest_move",
    "earliest_start",
    "extend_hold",
    "fill_cart",
    "forget_networks",
    "forgive_hold",
    "hold_expiry",
    "lead_time",
    "longest_page_life",
    "move",
    "nearby_slots",
    "page_life",
    "record_shown_total",
    "release",
    "release_hold",
    "set_promo",
]

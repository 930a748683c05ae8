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
    put_promo,
    remember_total,
)
from booking.services.checkouts import PriceChanged, check_out, release
from booking.services.demo import demo_cart, demo_package
from booking.services.places import (
    SlotGone,
    close,
    earliest_start,
    extend_hold,
    hold_end,
    last_choice,
    lead,
    longest_page_life,
    nearby_slots,
    page_life,
    release_hold,
)

__all__ = [
    "CartConverted",
    "NoticeTooShort",
    "PriceChanged",
    "SlotGone",
    "book",
    "call_off_time",
    "cancel",
    "change_cart",
    "check_out",
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
    "hold_end",
    "last_choice",
    "lead",
    "longest_page_life",
    "move",
    "nearby_slots",
    "page_life",
    "put_promo",
    "release",
    "release_hold",
    "remember_total",
]

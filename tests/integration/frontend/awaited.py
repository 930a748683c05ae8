"""Rows whose routes are not there yet."""

REASON = "the route is not there yet"
NAMES: dict[str, tuple[str, ...]] = {
    "july": ("PhonePe → the site: the way back of who has not decided",),
    "today": (
        "/user/profile: GET auth/profile/",
        "/user/profile: PATCH auth/profile/",
        "/user/profile: PATCH auth/profile/picture/ as multipart",
        "/user/profile: PATCH auth/profile/picture/ with a text file",
        "/user/profile: PATCH auth/pancard/",
        "/user/profile: PATCH auth/pancard/ with a wrong number",
        "PhonePe → the site: the way back of who has not decided",
        "/payment-pending: GET payments/status/{order}/ every 30 s",
        "/confirmbooking: GET payments/cart/status/{uuid}/ of a paid cart",
        "/payment-pending, /failedbooking: GET payments/status/{order}/ of a paid one",
        "/confirmbooking: GET booking/bookings/by-cart/{uuid}/",
        "/confirmbooking, /failedbooking: GET booking/bookings/by-id/{ref}/",
        "/confirmbooking: GET booking/bookings/latest/",
        "/confirmbooking, /payment-pending: POST payments/verify-and-complete/ of a paid one",
        "/failedbooking: POST payments/payments/{id}/retry-webhook/",
        "/failedbooking: a failure page opened for a paid booking",
        "any: the orders, carts and bookings of somebody else",
        "/user/bookings: GET booking/bookings/",
        "/user/dashboard: GET booking/bookings/",
        "/user/bookings: the invoice: by-id with a slash at its end",
        "PhonePe → the site: the way back of who has paid",
        "PhonePe → the site: the way back of who was refused",
        "store: POST booking/bookings/{id}/status/",
    ),
}
AWAITED = {(era, name): REASON for era, names in NAMES.items() for name in names}

"""An example request of each operation of the API: shown in its description, and sent by a test to the running product.

A further operation: a line in EXAMPLES, by its method and path as the description has them. `<name>` stands for a value
of SAMPLES in the description; tests/integration/test_api_examples.py puts in what exists. An operation that has no line
is named loudly by that test.
"""

import re
from dataclasses import dataclass, field
from typing import Any

SAMPLES: dict[str, Any] = {
    "id": 1,
    "puja": 1,
    "package": 1,
    "slot": 1,
    "category": 1,
    "other_date": "2026-12-29",
    "other_slot": 2,
    "cart": 1,
    "payment": 1,
    "unpaid": 2,
    "employee": 3,
    "date": "2026-12-24",
    "time": "10:00",
    "first_day": "2026-12-01",
    "last_day": "2026-12-31",
    "cart_id": "3f2b7a86-6a0e-4c53-9a3f-1d2f0a7b5c11",
    "book_id": "BK-7H3K9QXM",
    "ref": "BK-7H3K9QXM",
    "event_id": "evt_4f1c0a9be2d37c5a6b8f9e01",
    "merchant_order_id": "OKP1A2B3C4D5E6F708192A3B4C5D6",
    "slug": "a-post",
    "digest": "9f86d081884c7d659a2feaa0c55ad015",
    "token": "MQ:1w2x3y:4z5a6b7c8d9e0f",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA157xAA_7962-a_3rA",
    "otp": "123456",
    "email": "radha@example.com",
    "password": "a-long-lotus-pond-47",
    "Idempotency-Key": "0b9f6c6e-5d0e-4f3a-9a57-2f6f8f1f7d11",
}
ADDRESS = {
    "address_line1": "1 Ghat Road",
    "city": "Varanasi",
    "state": "Uttar Pradesh",
    "postal_code": "221001",
}
CHOICE = {
    "puja_service": "<puja>",
    "package_id": "<package>",
    "selected_date": "<date>",
    "selected_time": "<time>",
}
KEY = {"Idempotency-Key": "<Idempotency-Key>"}


@dataclass(frozen=True)
class Example:
    """`status` is what the test expects; without it any 2xx. `needs` names what the test arranges before."""

    summary: str = ""
    body: Any = None
    query: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    needs: str = ""


def fill(value: Any, values: dict[str, Any]) -> Any:
    """With each `<name>` replaced; a text that is nothing else becomes the value itself, such as a number."""
    if isinstance(value, dict):
        return {name: fill(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [fill(each, values) for each in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"<([\w-]+)>", value):
        return values[whole[1]]
    return re.sub(r"<([\w-]+)>", lambda found: str(values[found[1]]), value)


PAYMENT = "/api/payments/payments/{id}/"
EXAMPLES: dict[str, Example] = {
    # Accounts
    "post /api/auth/register/": Example(
        "Register",
        {"email": "<email>", "password": "<password>", "password2": "<password>", "first_name": "Radha"},
    ),
    "post /api/auth/login/": Example(
        "Log in", {"email": "<email>", "password": "<password>"}, needs="account"
    ),
    "post /api/auth/refresh/": Example("The next access token", {"refresh": "<refresh>"}),
    "post /api/auth/logout/": Example("Log out", {"refresh": "<refresh>"}),
    "post /api/auth/logout/everywhere/": Example("End every session of the caller"),
    "post /api/auth/otp/request/": Example("Send the code once more", {"email": "<email>"}),
    "post /api/auth/otp/verify/": Example(
        "Confirm a mail address by its code", {"email": "<email>", "otp": "<otp>"}, needs="code"
    ),
    "post /api/auth/password/reset/": Example("Ask for a code for a new password", {"email": "<email>"}),
    "post /api/auth/password/reset/confirm/": Example(
        "Set a new password by its code",
        {"email": "<email>", "otp": "<otp>", "new_password": "<password>-2"},
        needs="reset",
    ),
    "post /api/auth/password/change/": Example(
        "Change the password", {"old_password": "<password>", "new_password": "<password>-2"}
    ),
    "get /api/auth/profile/": Example("The caller's profile"),
    "patch /api/auth/profile/": Example("Change the profile", {"first_name": "Radha", "language": "hi"}),
    "patch /api/auth/profile/picture/": Example("Send a picture (multipart)", needs="picture"),
    "get /api/auth/pancard/": Example("The caller's PAN, masked", needs="pan"),
    "patch /api/auth/pancard/": Example("Store the PAN", {"pan_number": "ABCPE1234F"}),
    "get /api/auth/uploads/{token}/": Example("A picture, by its signed link", needs="upload"),
    "get /api/auth/addresses/": Example("The caller's addresses"),
    "post /api/auth/addresses/": Example("Add an address", ADDRESS),
    "get /api/auth/addresses/{id}/": Example("One address"),
    "put /api/auth/addresses/{id}/": Example("Replace an address", ADDRESS),
    "patch /api/auth/addresses/{id}/": Example("Change an address", {"city": "Prayagraj"}),
    "delete /api/auth/addresses/{id}/": Example("Delete an address"),
    # Catalogue
    "get /api/puja/categories/": Example("Categories"),
    "get /api/puja/services/": Example(
        "Pujas, with search and filters", query={"search": "puja", "page_size": 5}
    ),
    "get /api/puja/services/{id}/": Example("One puja"),
    "get /api/puja/services/{id}/slots/": Example(
        "Free times of a puja", query={"from": "<first_day>", "to": "<last_day>"}
    ),
    "get /api/puja/pictures/{digest}/": Example("A picture of a puja", status=404),
    "get /api/puja/packages/": Example("Packages with their prices", query={"puja_service": "<puja>"}),
    "get /api/puja/packages/{id}/": Example("One package"),
    "get /api/puja/public/services/": Example("Pujas, as the frontend of 2026 asks"),
    "get /api/puja/public/services/{id}/": Example("One puja, as the frontend of 2026 asks"),
    "get /api/puja/public/services/{id}/slots/": Example("Free times, as the frontend of 2026 asks"),
    "get /api/puja/public/puja/packages/": Example("Packages, as the frontend of 2026 asks"),
    "get /api/puja/public/puja/packages/{id}/": Example("One package, as the frontend of 2026 asks"),
    "post /api/puja/slots/{id}/close/": Example(
        "Close a time, and move or refund its bookings", {"then": "refund", "reason": "The river has risen"}
    ),
    # Cart and promo codes
    "get /api/cart/carts/": Example("Carts that may still be paid"),
    "post /api/cart/carts/": Example("Fill the cart", CHOICE),
    "get /api/cart/carts/active/": Example("The cart that is being filled or paid"),
    "post /api/cart/carts/clear_converted/": Example("Empty the cart", status=400),  # one is being paid
    "get /api/cart/carts/{id}/": Example("One cart"),
    "put /api/cart/carts/{id}/": Example("Replace what is in the cart", CHOICE, needs="active cart"),
    "patch /api/cart/carts/{id}/": Example(
        "Change the cart", {"people": 4, "gotra": "Kashyap"}, needs="active cart"
    ),
    "delete /api/cart/carts/{id}/": Example("Delete the cart", needs="active cart"),
    "post /api/cart/carts/{id}/apply_promo/": Example(
        "Apply a promo code", {"promo_code": "WELCOME10"}, needs="active cart"
    ),
    "post /api/cart/carts/{id}/remove_promo/": Example("Take the promo code out", needs="active cart"),
    "get /api/cart/carts/{id}/deletion_status/": Example("Whether the cart can be deleted"),
    "post /api/cart/carts/{id}/cleanup_old_payments/": Example("Give up the open payment of a cart"),
    "get /api/promo/user/promos/": Example("The caller's promo codes", query={"status": "available"}),
    "get /api/promo/user/promos/history/": Example("Promo codes that the caller has used"),
    "get /api/promo/promos/validate/": Example(
        "What a promo code would take off", query={"code": "WELCOME10", "order_amount": "1100"}
    ),
    "get /api/promo/admin/promos/": Example("All promo codes (staff)"),
    "get /api/promo/admin/promos/stats/": Example("Figures about promo codes (staff)"),
    # Payments
    "post /api/payments/payments/process-cart/": Example(
        "Open the payment of a cart, or, with an amount in its place, of a donation",
        {"cart_id": "<cart>"},
        headers=KEY,
        needs="active cart",
    ),
    "post /api/payments/payments/app-order/": Example(
        "Open the payment of a cart for an app", {"cart_id": "<cart>", "flow": "sdk"}, needs="active cart"
    ),
    "get /api/payments/payments/": Example("The caller's payments"),
    f"get {PAYMENT}": Example("One payment"),
    f"get {PAYMENT}status/": Example("The state of a payment, fetched from PhonePe while it is open"),
    f"get {PAYMENT}check-booking/": Example("Did the payment become a booking?"),
    f"post {PAYMENT}check-and-create-booking/": Example("As check-booking"),
    f"post {PAYMENT}create-booking/": Example("As check-booking"),
    f"post {PAYMENT}retry-webhook/": Example("As check-booking, for the frontend of 2026"),
    f"post {PAYMENT}check-and-process/": Example("As check-booking"),
    f"get {PAYMENT}timeline/": Example("Why the payment is in its state"),
    f"get {PAYMENT}receipt/": Example("The receipt as PDF"),
    f"get {PAYMENT}refunds/": Example("The refunds of a payment"),
    f"post {PAYMENT}refund/": Example(
        "Refund an amount (staff)", {"amount": "100.00", "reason": "No prasad"}, headers=KEY
    ),
    f"post {PAYMENT}resolve/": Example(
        "Decide about a payment in review (staff)", {"action": "refund"}, needs="review"
    ),
    f"post {PAYMENT}try-again/": Example("Pay again after a payment that ended unpaid", {}, needs="ended"),
    f"post {PAYMENT}simulate/": Example("Act as the customer (simulation)", {"outcome": "success"}),
    f"post {PAYMENT}simulate-success/": Example("Let the customer pay (simulation)"),
    "get /api/payments/payments/simulate-payment-success/": Example("One whole demo payment (simulation)"),
    "post /api/payments/payments/simulate-payment-success/": Example(
        "An outcome for an open payment (simulation)", {"payment_id": "<unpaid>", "outcome": "success"}
    ),
    "post /api/payments/payments/NaN/retry-webhook/": Example(
        "What a page of 2026 asks when it knows no payment"
    ),
    "get /api/payments/payments/debug-connectivity/": Example("The last diagnosis: who has to act"),
    "post /api/payments/payments/debug-connectivity/": Example(
        "A new diagnosis (staff)", {"test_payment": True}
    ),
    "get /api/payments/paying/": Example("Whether people can pay now"),
    "post /api/payments/paying/": Example("Tell me by mail when people can pay again"),
    "post /api/payments/cart/": Example(
        "Open the payment of a cart, for the frontend of 2026", {"cart_id": "<cart_id>"}, needs="active cart"
    ),
    "get /api/payments/cart/status/{cart_id}/": Example("What became of a cart, for the frontend of 2026"),
    "get /api/payments/status/{merchant_order_id}/": Example(
        "What became of an order, for the frontend of 2026"
    ),
    "post /api/payments/verify-and-complete/": Example(
        "Ask PhonePe about a cart, for the frontend of 2026", {"cart_id": "<cart_id>"}
    ),
    "get /api/payments/offers/{token}/": Example(
        "Other times for a lost one, by the link of the mail", needs="offer"
    ),
    "post /api/payments/offers/{token}/": Example(
        "Choose another time, or decline", {"decline": True}, needs="offer"
    ),
    "post /api/payments/refunds/{id}/approve/": Example(
        "Approve a refund as the second person", needs="request"
    ),
    "post /api/payments/refunds/{id}/withdraw/": Example(
        "Reject a refund as the second person", needs="request"
    ),
    "post /api/payments/webhook/phonepe/": Example(
        "PhonePe tells of an event", status=400
    ),  # without a body; PhonePe signs what it sends
    # Bookings
    "get /api/booking/bookings/": Example("The caller's bookings"),
    "get /api/booking/bookings/{id}/": Example("One booking"),
    "get /api/booking/bookings/latest/": Example(
        "The booking of the newest payment", status=404
    ),  # it is open
    "get /api/booking/bookings/by-id/{ref}/": Example("A booking by its book_id"),
    "get /api/booking/bookings/by-cart/{cart_id}/": Example("The booking of a cart"),
    "post /api/booking/bookings/{id}/status/": Example(
        "Cancel a booking", {"status": "CANCELLED", "cancellation_reason": "Travelling"}
    ),
    "get /api/booking/bookings/{id}/changes/": Example("What can be changed, and what goes back now"),
    "post /api/booking/bookings/{id}/move/": Example("Move a booking", {"slot": "<other_slot>"}),
    "get /api/booking/bookings/{id}/calendar/": Example("A booking as a calendar file"),
    "get /api/booking/calendar-feed/": Example("Whether there is a calendar feed"),
    "post /api/booking/calendar-feed/": Example("A secret address of all bookings"),
    "delete /api/booking/calendar-feed/": Example("End the calendar feed"),
    "get /api/booking/changes/{token}/": Example("A booking, by the link of the mail", needs="change"),
    "post /api/booking/changes/{token}/cancel/": Example(
        "Cancel, by the link of the mail", {}, needs="change"
    ),
    "post /api/booking/changes/{token}/move/": Example(
        "Move, by the link of the mail", {"slot": "<other_slot>"}, needs="change"
    ),
    "get /api/booking/waiting/": Example("The times that the caller waits for"),
    "post /api/booking/waiting/": Example(
        "Wait for a full time", {"slot": "<slot>", "package_id": "<package>"}, needs="full slot"
    ),
    "delete /api/booking/waiting/{id}/": Example("Wait no longer"),
    "post /api/booking/waiting/{id}/accept/": Example("Take the place that became free", status=409),
    # Desk
    "post /api/puja/categories/create/": Example(
        "Add a category (staff)", {"name": "Vastu", "name_hi": "वास्तु"}
    ),
    "patch /api/puja/categories/{id}/": Example("Change a category (staff)", {"name_hi": "त्योहार"}),
    "delete /api/puja/categories/{id}/": Example("Delete a category (staff)", needs="spare"),
    "post /api/puja/services/create/": Example(
        "Add a puja (staff)",
        {
            "title": "Vastu Shanti",
            "description": "For a new house.",
            "category": "<category>",
            "type": "HOME",
            "duration_minutes": 90,
        },
    ),
    "patch /api/puja/services/{id}/": Example("Change a puja (staff)", {"duration_minutes": 75}),
    "delete /api/puja/services/{id}/": Example("Take a puja out of the catalogue (staff)", needs="spare"),
    "post /api/puja/packages/create/": Example(
        "Add a package (staff)",
        {
            "puja_service": "<puja>",
            "location": "Varanasi",
            "language": "HINDI",
            "package_type": "STANDARD",
            "price": "2100.00",
            "description": "Two priests.",
        },
    ),
    "patch /api/puja/packages/{id}/": Example("Change a package (staff)", {"price": "1250.00"}),
    "delete /api/puja/packages/{id}/": Example("Take a package out of the catalogue (staff)", needs="spare"),
    "post /api/promo/admin/promos/": Example(
        "Add a promo code (staff)",
        {"code": "DIWALI15", "discount": "15", "discount_type": "PERCENT", "code_type": "PUBLIC"},
    ),
    "post /api/promo/admin/promos/bulk-create/": Example(
        "Add many promo codes (staff)",
        {"prefix": "GIFT", "count": 3, "discount": "100", "discount_type": "FIXED"},
    ),
    "post /api/promo/admin/promos/send-email/": Example(
        "Send promo codes by mail (staff)", {"promo_ids": ["<id>"], "user_emails": ["<email>"]}
    ),
    "patch /api/promo/admin/promos/{id}/": Example("Change a promo code (staff)", {"is_active": False}),
    "delete /api/promo/admin/promos/{id}/": Example("Delete a promo code (staff)"),
    "patch /api/auth/users/{id}/": Example("Suspend a customer (staff)", {"account_status": "SUSPENDED"}),
    "delete /api/auth/users/{id}/": Example("Close the account of a customer (staff)", needs="spare"),
    "patch /api/booking/admin/bookings/{id}/status/": Example(
        "Cancel or reject a booking (staff)", {"status": "CANCELLED", "cancellation_reason": "Asked by phone"}
    ),
    "post /api/booking/admin/bookings/{id}/reschedule/": Example(
        "Move a booking (staff)",
        {"selected_date": "<other_date>", "selected_time": "<time>", "reason": "The priest is ill"},
    ),
    "patch /api/booking/admin/bookings/{id}/assign/": Example(
        "Give a booking to a priest (staff)",
        {"assigned_to": "<employee>", "assignment_notes": "Bring the flowers"},
    ),
    "post /api/booking/admin/bookings/{id}/assign/": Example(
        "Give a booking to a priest, as the page of employees does (staff)", {"assigned_to_id": "<employee>"}
    ),
    # Not sold here
    "post /api/astrology/bookings/book-with-payment/": Example("Not offered here", status=404),
    "get /api/blog/posts/{slug}/comments/": Example("No blog here"),
    # Servers
    "get /api/server/payments/": Example(query={"status": "SUCCESS", "page_size": 20}),
    "post /api/server/payments/": Example(
        body={
            "customer": {"email": "<email>", "name": "Radha", "phone": "98765 43210"},
            **CHOICE,
            "address": ADDRESS,
            "expected_total": "1100.00",
            "reference": "CRM-1",
        },
        headers=KEY,
    ),
    "get /api/server/payments/{id}/": Example(),
    "post /api/server/payments/{id}/refunds/": Example(
        body={"amount": "100.00", "reason": "No prasad"}, headers=KEY
    ),
    "post /api/server/payments/{id}/simulate/": Example(body={"outcome": "success"}),
    "get /api/server/bookings/": Example(query={"status": "CONFIRMED"}),
    "get /api/server/bookings/{book_id}/": Example(),
    "post /api/server/bookings/{book_id}/cancel/": Example(body={"reason": "Asked by phone"}),
    "post /api/server/bookings/{book_id}/move/": Example(body={"slot": "<other_slot>"}),
    "get /api/server/webhook-endpoints/": Example(),
    "get /api/server/events/": Example(query={"type": "booking.confirmed"}),
    "get /api/server/events/{event_id}/": Example(),
}

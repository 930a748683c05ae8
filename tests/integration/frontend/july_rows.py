"""July's site from Pay to the history. What no page calls is in the store of the site."""

from tests.harness.processes import eventually
from tests.integration.frontend import july, shapes
from tests.integration.frontend.browser import query_of
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

JULY = ("july",)
row = Table()
PAY = july.PAY
REPAIRS = ("check-and-create-booking", "create-booking", "check-and-process")


def _path(story: Story, action: str = "") -> str:
    return f"{PAY}{story.kept['payment']}/" + (f"{action}/" if action else "")


@row("/checkout", "POST payments/payments/process-cart/", "`success, payment_id, payment_url`", JULY)
def process_cart(story: Story) -> None:
    story.fill_cart(days=4)
    story.kept["payment"] = story.check_out()["payment_id"]


@row("/checkout", "POST payments/payments/process-cart/ again", "the same open payment", JULY)
def process_cart_again(story: Story) -> None:
    page = story.tab.location
    assert story.check_out()["payment_id"] == story.kept["payment"]
    assert story.tab.location == page


@row(
    "/checkout",
    "POST payments/payments/process-cart/ with somebody else's cart",
    "404: the first value",
    JULY,
)
def foreign_cart(story: Story) -> None:
    tab = story.stranger()
    assert july.pay_for(tab, story.tab and story.get("/cart/carts/")[0]["id"]) is None
    assert tab.toasts == ["Cart not found."]


@row(
    "/confirmbooking",
    "GET payments/payments/{id}/check-booking/ while it is open",
    "`booking_created` false",
    JULY,
)
def check_open(story: Story) -> None:
    told = july.check_booking(story.tab, story.kept["payment"])
    assert (told["payment_status"], told["booking_created"]) == ("PENDING", False)


@row("/payment/callback", "POST payments/payments/{id}/retry-webhook/", "`success`", JULY)
def retry_webhook(story: Story) -> None:
    fitting(story.call("POST", _path(story, "retry-webhook")).json(), {"success": bool})


@row("PhonePe → the site", "the return of a customer who has paid", "/confirmbooking?payment_id=", JULY)
def paid_landing(story: Story) -> None:
    story.press("success")
    assert story.tab.location.startswith("/confirmbooking?")
    assert query_of(story.tab.location)["payment_id"] == str(story.kept["payment"])
    assert story.tab.screen.says == "confirmed"


@row(
    "/confirmbooking", "GET payments/payments/{id}/check-booking/", "`booking` with cart, user, address", JULY
)
def check_booking(story: Story) -> None:
    told = july.check_booking(story.tab, story.kept["payment"])
    assert (told["payment_status"], told["booking_created"]) == ("SUCCESS", True)
    story.kept["booking"] = told["booking"]


@row(
    "/payment/callback",
    "GET …/check-booking/, then /confirmbooking",
    "`payment_status, booking_created`",
    JULY,
)
def callback(story: Story) -> None:
    july.go(story.tab, f"/payment/callback?payment_id={story.kept['payment']}")
    booking = story.kept["booking"]["id"]
    assert story.tab.location == f"/confirmbooking?payment_id={story.kept['payment']}&booking_id={booking}"


@row("/payment/callback", "POST payments/payments/{id}/check-and-create-booking/", "`booking_created`", JULY)
def repairs(story: Story) -> None:
    assert story.call("POST", _path(story, "check-and-create-booking")).json()["booking_created"] is True


@row("store", "POST …/create-booking/, …/check-and-process/", "`booking_created`", JULY)
def other_repairs(story: Story) -> None:
    for action in ("create-booking", "check-and-process"):
        assert story.call("POST", _path(story, action)).json()["booking_created"] is True, action


@row("/payment/redirect", "GET payments/payments/{id}/", "`status`", JULY)
def redirect(story: Story) -> None:
    july.go(story.tab, f"/payment/redirect?payment_id={story.kept['payment']}")
    assert story.tab.location == f"/confirmbooking?payment_id={story.kept['payment']}"


@row("store", "GET payments/payments/", "a bare array", JULY)
def payments(story: Story) -> None:
    newest = july.payments(story.tab)[0]
    assert (newest["status"], newest["booking_id"]) == ("SUCCESS", story.kept["booking"]["book_id"])


@row("store", "GET booking/bookings/, GET booking/bookings/{id}/", "a bare array; one booking", JULY)
def bookings(story: Story) -> None:
    (booking,) = july.history(story.tab)
    assert fitting(story.get(f"/booking/bookings/{booking['id']}/"), shapes.BOOKING) == booking
    assert booking["book_id"] == story.kept["booking"]["book_id"]


@row("store", "POST booking/bookings/", "nothing", JULY, "405: a booking is made by its payment alone")
def make_booking(story: Story) -> None:
    files = {"cart_id": (None, "1"), "address_id": (None, "1"), "status": (None, "CONFIRMED")}
    story.call("POST", "/booking/bookings/", status=405, files=files)


@row("any", "somebody else's payment and its pages", "404", JULY, "404, as if there were none")
def foreign_payment(story: Story) -> None:
    tab = story.stranger()
    for action in ("check-booking", "status"):
        assert tab.call("GET", _path(story, action)).status_code == 404, action
    for action in (*REPAIRS, "retry-webhook", "simulate-success"):
        assert tab.call("POST", _path(story, action)).status_code == 404, action
    assert tab.call("GET", _path(story)).status_code == 404


@row(
    "PhonePe → the site",
    "the return of a customer whose payment failed",
    "/failedbooking?code=&bookingId=",
    JULY,
)
def failed_landing(story: Story) -> None:
    story.fill_cart()
    started = story.check_out()
    story.press("failure")
    assert story.tab.screen.text == f"PAYMENT_FAILED {started['transaction_id']}"


@row("/payment/redirect", "GET payments/payments/{id}/ of a failed one", "`status`: /failedbooking", JULY)
def failed_redirect(story: Story) -> None:
    failed = next(one["id"] for one in july.payments(story.tab) if one["status"] == "FAILED")
    july.go(story.tab, f"/payment/redirect?payment_id={failed}")
    assert story.tab.location == f"/failedbooking?payment_id={failed}&status=FAILED"


@row("PhonePe → the site", "the return of a customer whose payment is open", "a page that waits: ours", JULY)
def open_landing(story: Story) -> None:
    story.kept["payment"] = story.check_out()["payment_id"]
    page = story.tab.location
    story.press("close")
    assert (story.tab.screen.says, story.tab.screen.text) == ("our page", "Waiting for your payment")
    story.tab.location = page


@row("/test-payment", "POST payments/payments/{id}/simulate-success/", "truthy; then check-booking", JULY)
def simulate(story: Story) -> None:
    july.simulate_success(story.tab, story.kept["payment"])
    assert story.tab.screen.says == "confirmed"


@row("store", "POST booking/bookings/{id}/status/ as JSON", "any 2xx: cancelled, the refund on its way", JULY)
def cancel(story: Story) -> None:
    booking = story.kept["booking"]["id"]
    assert story.cancel(booking)["refund"]["amount"] == story.kept["booking"]["total_amount"]
    assert story.get(f"/booking/bookings/{booking}/")["status"] == "CANCELLED"
    body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
    again = story.call("POST", f"/booking/bookings/{booking}/status/", body, status=409)
    assert again.json()["error"] == "This booking is no longer confirmed."


@row("store", "GET and PATCH cart/carts/{id}/, GET …/deletion_status/", "the cart; `can_delete`", JULY)
def cart_store(story: Story) -> None:
    cart = story.fill_cart()
    package = cart["package"]["id"] + 1
    told = story.call("PATCH", f"/cart/carts/{cart['id']}/", {"package_id": package}).json()
    assert fitting(told, shapes.CART)["package"]["id"] == package
    assert story.get(f"/cart/carts/{cart['id']}/deletion_status/")["can_delete"] is True


@row("the customer does not return", "the webhook alone", "the booking is in the list", JULY)
def webhook_alone(story: Story) -> None:
    before = len(july.history(story.tab))
    story.check_out()
    story.press_and_leave()
    eventually(lambda: len(july.history(story.tab)) == before + 1, "the booking is made", 20)

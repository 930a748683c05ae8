"""Today's site from Pay to the history."""

from tests.integration.frontend import shapes, shop_pages, today
from tests.integration.frontend.browser import query_of
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

TODAY = ("today",)
row = Table()
BY_ID = "/booking/bookings/by-id/"


@row(
    "/checkout",
    "POST payments/cart/",
    "`success`, `data.payment_order{id, merchant_order_id, phonepe_payment_url}`",
    TODAY,
)
def pay(story: Story) -> None:
    story.kept["cart"] = story.fill_cart(days=4)["cart_id"]
    order = story.check_out()
    cart = shop_pages.cart(story.tab)
    assert order["amount"] == round(float(cart["total_price"]) * 100)
    assert (float(order["amount_in_rupees"]), order["cart_id"]) == (
        float(cart["total_price"]),
        cart["cart_id"],
    )
    story.kept["order"] = order


@row("/checkout", "POST payments/cart/ again", "the same open payment", TODAY)
def pay_again(story: Story) -> None:
    assert story.check_out()["merchant_order_id"] == story.kept["order"]["merchant_order_id"]


@row("/checkout", "POST payments/cart/ with an address of nobody", "400: the first value", TODAY)
def pay_with_wrong_address(story: Story) -> None:
    assert story.new_toast(today.pay_for, story.kept["cart"], 10**9) != "Something went wrong."


@row(
    "/checkout",
    "POST payments/cart/ with another address than the open payment",
    "400: the first value",
    TODAY,
)
def pay_with_other_address(story: Story) -> None:
    other = story.kept["address"] | {"address_line1": "2 Station Road", "is_default": False}
    del other["id"]
    created = story.call("POST", "/auth/addresses/", other, status=201).json()
    told = story.new_toast(today.pay_for, story.kept["cart"], created["id"])
    assert told.startswith("Your open payment is for another address")
    story.call("DELETE", f"/auth/addresses/{created['id']}/", status=204)


@row("/checkout", "POST payments/cart/ of somebody else's cart", "404: `Cart not found`", TODAY)
def foreign_cart(story: Story) -> None:
    tab = story.stranger()
    body = {"cart_id": story.kept["cart"], "address_id": story.kept["address"]["id"]}
    answer = tab.call("POST", "/payments/cart/", body)
    assert (answer.status_code, answer.json()["error"]) == (404, "Cart not found.")


@row(
    "/confirmbooking, /payment-pending",
    "GET payments/cart/status/{uuid}/ while it is open",
    "INITIATED",
    TODAY,
)
def open_cart_status(story: Story) -> None:
    told = today.cart_status(story.tab, story.kept["cart"])
    assert (told["payment_status"], told["booking_created"]) == ("INITIATED", False)


@row(
    "/payment-pending",
    "GET payments/status/{order}/ while it is open",
    "neither SUCCESS nor FAILED; `amount` in rupees",
    TODAY,
)
def open_status(story: Story) -> None:
    told = today.payment_status(story.tab, story.kept["order"]["merchant_order_id"])
    assert told["status"] not in ("SUCCESS", "FAILED")
    assert float(told["amount"]) * 100 == story.kept["order"]["amount"]


@row(
    "/confirmbooking",
    "GET booking/bookings/by-cart/{uuid}/ without a booking",
    "nothing",
    TODAY,
    "404: any 200 would be shown as a booking",
)
def no_booking_by_cart(story: Story) -> None:
    story.get(f"/booking/bookings/by-cart/{story.kept['cart']}/", status=404)


@row(
    "/confirmbooking",
    "GET booking/bookings/latest/ while a payment is open",
    "nothing",
    TODAY,
    "404: it would be shown as this payment's",
)
def no_latest(story: Story) -> None:
    assert today.latest(story.tab) is None


@row("/confirmbooking", "GET booking/bookings/by-id/{order}/ without a booking", "nothing", TODAY, "404")
def no_booking_by_id(story: Story) -> None:
    assert today.by_id(story.tab, story.kept["order"]["merchant_order_id"]) is None
    assert today.by_id(story.tab, "BK-00000000") is None


@row(
    "/confirmbooking",
    "POST payments/verify-and-complete/ of an open payment",
    "200: `success` false, `message`",
    TODAY,
)
def not_yet(story: Story) -> None:
    answer = story.call("POST", "/payments/verify-and-complete/", {"cart_id": story.kept["cart"]})
    assert answer.json()["success"] is False
    assert "already_processed" not in answer.json()
    today.say_paid(story.tab, story.kept["cart"])
    assert (story.tab.screen.says, story.tab.screen.text) == ("manual", answer.json()["message"])


@row(
    "/failedbooking",
    "POST payments/payments/NaN/retry-webhook/",
    "200: `success` false: to /checkout",
    TODAY,
)
def retry_nan(story: Story) -> None:
    told = story.call("POST", "/payments/payments/NaN/retry-webhook/").json()
    assert (told["success"], type(told["message"]), type(told["user_message"])) == (False, str, str)
    order = story.kept["order"]["merchant_order_id"]
    today.retry_payment(story.tab, {"payment_id": order})
    assert story.tab.location == "/checkout"
    story.tab.location = story.kept["order"]["phonepe_payment_url"]


@row(
    "PhonePe → the site",
    "the return of a customer whose payment is open",
    "/payment-pending?merchant_order_id=&payment_id=&cart_id=",
    TODAY,
)
def open_landing(story: Story) -> None:
    order = story.kept["order"]
    story.tab.browser.clock.after(45, lambda: story.decide(order["merchant_order_id"], "success"))
    story.press("close")
    landing = query_of(story.landings[-1])
    assert story.landings[-1].startswith("/payment-pending?")
    assert landing["cart_id"] == story.kept["cart"]
    assert landing["merchant_order_id"] == order["merchant_order_id"]
    assert landing["payment_id"] == str(order["id"])


@row(
    "/payment-pending",
    "GET payments/status/{order}/ every 30 s",
    "SUCCESS: /confirmbooking?payment_id=",
    TODAY,
)
def pending(story: Story) -> None:
    assert [screen.says for screen in story.tab.screens[-3:]] == ["waiting", "waiting", "confirmed"]
    assert story.tab.screen.at - story.tab.screens[-3].at == 62
    assert story.tab.location == f"/confirmbooking?payment_id={story.kept['order']['merchant_order_id']}"
    story.kept["book_id"] = story.tab.screen.book_id


@row(
    "/confirmbooking",
    "GET payments/cart/status/{uuid}/ of a paid cart",
    "SUCCESS and `booking_created` at once",
    TODAY,
)
def paid_cart_status(story: Story) -> None:
    told = today.cart_status(story.tab, story.kept["cart"])
    assert (told["payment_status"], told["booking_created"]) == ("SUCCESS", True)


@row("/payment-pending, /failedbooking", "GET payments/status/{order}/ of a paid one", "SUCCESS", TODAY)
def paid_status(story: Story) -> None:
    told = today.payment_status(story.tab, story.kept["order"]["merchant_order_id"])
    assert (told["status"], float(told["amount"])) == ("SUCCESS", story.kept["order"]["amount"] / 100)


@row("/confirmbooking", "GET booking/bookings/by-cart/{uuid}/", "the bare booking; `payment`", TODAY)
def booking_by_cart(story: Story) -> None:
    booking = fitting(today.by_cart(story.tab, story.kept["cart"]), shapes.TODAYS_BOOKING)
    assert booking["book_id"] == story.kept["book_id"]
    story.kept["booking"] = booking


@row(
    "/confirmbooking, /failedbooking",
    "GET booking/bookings/by-id/{ref}/",
    "`success, data` by BK-…, BK-…/, order id, payment id",
    TODAY,
)
def booking_by_id(story: Story) -> None:
    order = story.kept["order"]
    references = (story.kept["book_id"], f"{story.kept['book_id']}/", order["merchant_order_id"], order["id"])
    found = {reference: today.by_id(story.tab, str(reference)) for reference in references}
    assert found == dict.fromkeys(references, story.kept["booking"])


@row("/confirmbooking", "GET booking/bookings/latest/", "`success, data`: of the newest payment", TODAY)
def latest(story: Story) -> None:
    assert today.latest(story.tab)["book_id"] == story.kept["book_id"]


@row(
    "/confirmbooking, /payment-pending",
    "POST payments/verify-and-complete/ of a paid one",
    "`booking`",
    TODAY,
)
def already_paid(story: Story) -> None:
    today.say_paid(story.tab, story.kept["cart"])
    assert (story.tab.screen.says, story.tab.screen.book_id) == ("confirmed", story.kept["book_id"])


@row("/failedbooking", "POST payments/payments/{id}/retry-webhook/", "`success`: /confirmbooking", TODAY)
def retry_webhook(story: Story) -> None:
    today.retry_payment(story.tab, {"payment_id": str(story.kept["order"]["id"])})
    assert (story.tab.screen.says, story.tab.screen.book_id) == ("confirmed", story.kept["book_id"])


@row(
    "/failedbooking",
    "a failure page opened for a paid booking",
    "`payment.status`: /confirmbooking?book_id=",
    TODAY,
)
def failure_page_of_a_paid_booking(story: Story) -> None:
    today.go(story.tab, f"/failedbooking?book_id={story.kept['book_id']}")
    assert story.tab.location == f"/confirmbooking?book_id={story.kept['book_id']}"


@row("any", "somebody else's orders, carts and bookings", "404", TODAY, "404, as if there were none")
def foreign_payment(story: Story) -> None:
    tab, order = story.stranger(), story.kept["order"]["merchant_order_id"]
    paths = (
        *(f"/payments/cart/status/{story.kept['cart']}/", f"/payments/status/{order}/"),
        *(f"{BY_ID}{story.kept['book_id']}/", f"{BY_ID}{order}/", f"{BY_ID}{story.kept['order']['id']}/"),
        f"/booking/bookings/by-cart/{story.kept['cart']}/",
    )
    assert {path: tab.call("GET", path).status_code for path in paths} == dict.fromkeys(paths, 404)
    today.say_paid(tab, story.kept["cart"])
    assert tab.screen.says == "manual"


@row("/user/bookings", "GET booking/bookings/", "a bare array with `payment_details`", TODAY)
def history(story: Story) -> None:
    before = list(story.tab.toasts)
    (booking,) = today.history(story.tab)
    assert booking["payment_details"]["transaction_id"] == booking["payment"]["transaction_id"]
    assert story.tab.toasts == before


@row(
    "/user/dashboard, /user/bookings",
    "GET astrology/bookings/, user/astrology/bookings/",
    "an empty array",
    TODAY,
    "nothing is sold there: empty",
)
def astrology_bookings(story: Story) -> None:
    assert story.get("/astrology/bookings/") == story.get("/user/astrology/bookings/") == []


@row("/user/dashboard", "GET booking/bookings/", "amounts, dates and states that it counts", TODAY)
def dashboard(story: Story) -> None:
    told = today.dashboard(story.tab)
    assert told["spent"] == story.kept["order"]["amount"] / 100
    assert told["upcoming"] == [story.kept["book_id"]]


@row(
    "/user/bookings",
    "the invoice: by-id with a slash at its end",
    "the booking, where the tab has no cart",
    TODAY,
)
def invoice(story: Story) -> None:
    story.tab.session.clear()
    assert today.open_invoice(story.tab, story.kept["book_id"]).screen.book_id == story.kept["book_id"]


@row(
    "PhonePe → the site",
    "the return of a customer who has paid",
    "/confirmbooking?booking_id=&cart_id=",
    TODAY,
)
def paid_landing(story: Story) -> None:
    cart = story.fill_cart()["cart_id"]
    story.check_out()
    story.press("success")
    landing = query_of(story.landings[-1])
    assert story.landings[-1].startswith("/confirmbooking?")
    assert (landing["booking_id"], landing["cart_id"]) == (story.tab.screen.book_id, cart)
    assert story.tab.screen.book_id != story.kept["book_id"]
    assert shop_pages.cart(story.tab) is None


@row(
    "PhonePe → the site",
    "the return of a customer whose payment failed",
    "/failedbooking?payment_id=&merchant_order_id=&code=",
    TODAY,
)
def failed_landing(story: Story) -> None:
    story.kept["cart"] = story.fill_cart()["cart_id"]
    order = story.check_out()
    story.press("failure")
    landing = query_of(story.landings[-1])
    assert story.landings[-1].startswith("/failedbooking?")
    assert (landing["payment_id"], landing["merchant_order_id"]) == (
        str(order["id"]),
        order["merchant_order_id"],
    )
    assert story.tab.screen.text == f"PAYMENT_FAILED OKPAY{order['id']}"
    assert shop_pages.cart(story.tab)["cart_id"] == story.kept["cart"]


@row(
    "/confirmbooking",
    "GET payments/cart/status/{uuid}/ of a failed one",
    "FAILED: no older booking is shown",
    TODAY,
)
def failed_cart_status(story: Story) -> None:
    assert today.cart_status(story.tab, story.kept["cart"])["payment_status"] == "FAILED"
    today.go(story.tab, f"/confirmbooking?cart_id={story.kept['cart']}")
    assert story.tab.screen.says == "failed"


@row(
    "/confirmbooking",
    "GET booking/bookings/latest/ after a failed payment",
    "nothing",
    TODAY,
    "404: it would be shown as this payment's",
)
def no_latest_after_failure(story: Story) -> None:
    assert today.latest(story.tab) is None


@row(
    "/user/promos",
    "GET promo/user/promos/history/ after a purchase",
    "`promo_code, order_amount, discount_amount`",
    TODAY,
)
def promo_history(story: Story) -> None:
    shop_pages.apply_promo(story.tab, "WELCOME10")
    story.check_out()
    story.press("success")
    told = story.get("/promo/user/promos/history/")
    (used,) = fitting(told if isinstance(told, list) else told["results"], [shapes.USED_PROMO])
    assert (used["promo_code"]["code"], used["discount_amount"]) == ("WELCOME10", "210.00")


@row(
    "/user/bookings",
    "Cancel",
    "no request: the page only says that it was sent",
    TODAY,
    "the site sends no request; see below",
)
def cancel_button(story: Story) -> None:
    assert story.tab.screen.says == "confirmed"


@row("store", "POST booking/bookings/{id}/status/", "any 2xx: cancelled, the refund on its way", TODAY)
def cancel(story: Story) -> None:
    booking = story.kept["booking"]
    assert story.cancel(booking["id"])["refund"]["amount"] == booking["total_amount"]
    assert next(one for one in story.history() if one["id"] == booking["id"])["status"] == "CANCELLED"


@row(
    "/failedbooking",
    "POST payments/payments/{id}/retry-webhook/ of a cancelled booking",
    "`success` false: to /checkout",
    TODAY,
)
def retry_cancelled(story: Story) -> None:
    """With `success` true the page would confirm whichever booking is the latest."""
    today.retry_payment(story.tab, {"payment_id": str(story.kept["order"]["id"])})
    assert story.tab.location == "/checkout"


@row("/test-payment", "GET payments/status/{order}/", "`payment_status, booking_created`", TODAY)
def test_page(story: Story) -> None:
    told = story.get(f"/payments/status/{story.kept['order']['merchant_order_id']}/")
    fitting(told, {"payment_status": shapes.TEXT, "booking_created": bool})


@row(
    "/test-payment-new, /payment-debug",
    "POST payments/test/, GET payments/latest/, GET bookings/",
    "nothing that a customer needs",
    TODAY,
    "404 as JSON: pages of the developers, silent on errors",
)
def pages_of_developers(story: Story) -> None:
    story.call("POST", "/payments/test/", story.kept["order"]["id"], status=404)
    for path in ("/payments/latest/", "/bookings/"):
        assert isinstance(story.get(path, status=404)["detail"], str)

"""The cart, its promo codes, and the page of promo codes."""

from tests.integration.frontend import shapes, shop_pages
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

TODAY = ("today",)
row = Table()
PROMOS = "/promo/user/promos/"


@row("header, /cart", "GET cart/carts/active/ without a cart", "404 or an empty array: the list is asked for")
def no_cart(story: Story) -> None:
    assert shop_pages.cart(story.tab) is None


@row("/pujaservice/{id}", "POST cart/carts/", "any 2xx; then the cart is read")
def add_to_cart(story: Story) -> None:
    story.kept["cart"] = story.fill_cart()


@row("/pujaservice/{id}", "POST cart/carts/ in the past", "400: the first value; the old cart stays")
def cart_in_the_past(story: Story) -> None:
    cart = story.kept["cart"]
    choice = (cart["puja_service"]["id"], cart["package"]["id"], "2024-01-31", cart["selected_time"])
    assert story.new_toast(shop_pages.add_to_cart, *choice).startswith("This date has passed.")
    assert shop_pages.cart(story.tab) == cart


@row("/cart", "GET cart/carts/active/", "the whole cart; `cart_id` as uuid, `can_delete`")
def active_cart(story: Story) -> None:
    told = story.get("/cart/carts/active/")
    cart = fitting(told[0] if isinstance(told, list) else told, shapes.CART)
    assert fitting(cart["cart_id"], shapes.UUID)


@row("/cart", "GET cart/carts/", "the rows with `status` ACTIVE and a `total_price`")
def carts(story: Story) -> None:
    rows = story.get("/cart/carts/")
    assert [one["id"] for one in rows if one["status"] == "ACTIVE"] == [story.kept["cart"]["id"]]


@row(
    "/cart",
    "POST cart/carts/{id}/apply_promo/ with an unknown code",
    "400 `detail` → `promo_code`; 404 fixed",
)
def unknown_promo(story: Story) -> None:
    assert story.new_toast(shop_pages.apply_promo, "NONESUCH") == "This promo code does not exist."


@row("/cart", "POST cart/carts/{id}/apply_promo/", "any 2xx; PERCENTAGE and a lower `total_price`")
def apply_promo(story: Story) -> None:
    shop_pages.apply_promo(story.tab, "welcome10")
    cart = shop_pages.cart(story.tab)
    promo = cart["promo_code"]
    assert (story.kept["cart"]["total_price"], cart["total_price"]) == ("2100.00", "1890.00")
    assert (promo["discount"], promo["discount_type"], promo["is_valid"]) == ("10", "PERCENTAGE", True)


@row("/cart", "POST cart/carts/{id}/remove_promo/", "any 2xx")
def remove_promo(story: Story) -> None:
    shop_pages.remove_promo(story.tab)
    assert shop_pages.cart(story.tab)["total_price"] == story.kept["cart"]["total_price"]


@row(
    "/cart", "DELETE cart/carts/{id}/ while a payment is open", "400: `error`, `wait_minutes`, `can_cleanup`"
)
def delete_open_cart(story: Story) -> None:
    story.check_out()
    told = story.new_toast(shop_pages.delete_cart)
    assert told.endswith("Wait 15 minutes, or close the payment.")


@row("/cart", "POST cart/carts/{id}/cleanup_old_payments/", "any 2xx, where `can_delete` is false")
def close_open_payment(story: Story) -> None:
    assert shop_pages.cart(story.tab)["can_delete"] is False
    shop_pages.close_open_payment(story.tab)
    assert shop_pages.cart(story.tab)["can_delete"] is True


@row("/cart", "DELETE cart/carts/{id}/", "any 2xx")
def delete_cart(story: Story) -> None:
    before = list(story.tab.toasts)
    shop_pages.delete_cart(story.tab)
    assert story.tab.toasts == before
    assert shop_pages.cart(story.tab) is None


@row("/cart", "POST cart/carts/clear_converted/", "any 2xx: the cart is empty, also after a reload")
def clear_cart(story: Story) -> None:
    story.fill_cart()
    shop_pages.clear_cart(story.tab)
    assert shop_pages.cart(story.tab) is None


@row("/user/promos", "GET promo/user/promos/", "`results, count`; each code, PERCENT or FIXED", TODAY)
def my_promos(story: Story) -> None:
    told = fitting(story.get(f"{PROMOS}?page=1&limit=12&search="), shapes.MY_PROMOS)
    assert "WELCOME10" in [one["code"] for one in told["results"]]
    for narrow in (
        "status=available",
        "status=used",
        "status=expired",
        "code_type=PUBLIC",
        "service_type=puja",
    ):
        fitting(story.get(f"{PROMOS}?page=1&limit=12&{narrow}"), shapes.MY_PROMOS)


@row("/user/promos", "GET promo/user/promos/history/", "`results` or an array", TODAY)
def promo_history(story: Story) -> None:
    told = story.get(f"{PROMOS}history/")
    assert (told if isinstance(told, list) else told["results"]) == []


@row("/user/promos", "GET promo/promos/validate/", "`valid`, `discount_amount` as a number", TODAY)
def valid_promo(story: Story) -> None:
    told = story.get("/promo/promos/validate/?code=WELCOME10&order_amount=1000")
    assert fitting(told, shapes.PROMO_ACCEPTED)["valid"] is True
    assert told["discount_amount"] == 100


@row("/user/promos", "GET promo/promos/validate/ of a wrong code", "200: `valid` false, `message`", TODAY)
def invalid_promo(story: Story) -> None:
    told = story.get("/promo/promos/validate/?code=NONESUCH&order_amount=1000")
    assert told["valid"] is False
    assert told["message"]

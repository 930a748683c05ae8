"""How often one caller, by address, may ask for what costs us something. The rates stand in the settings."""

from typing import Any

from rest_framework.request import Request

from core.throttling import CallerThrottle


class GuestPaymentThrottle(CallerThrottle):
    """Gifts need no account, so their number per caller is bounded. Carts of people with a login are not.

    A form may send an empty `cart_id`: that is a gift.
    """

    scope = "guest_payment"

    def get_cache_key(self, request: Request, view: Any) -> str | None:
        wants_cart = isinstance(request.data, dict) and request.data.get("cart_id")
        if request.user.is_authenticated or wants_cart:
            return None
        return super().get_cache_key(request, view)


class DemoPaymentThrottle(CallerThrottle):
    scope = "demo_payment"

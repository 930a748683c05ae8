"""The simulator's control API, as a person with curl would use it."""

from typing import Any


class ControlApi:
    """Subclasses say how a request gets there."""

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST with a body, else GET."""
        raise NotImplementedError

    def decide(self, merchant_order_id: str, outcome: str = "success", **how: Any) -> None:
        self.control(f"orders/{merchant_order_id}/decide/", {"outcome": outcome, **how})

    def act_in_app(self, merchant_order_id: str, action: str = "pays", token: str = "") -> str | None:
        """The customer pays, cancels … in PhonePe's SDK or a UPI app; what the app is told. Null when it was killed."""
        given = {"action": action, "token": token}
        return self.control(f"orders/{merchant_order_id}/app/", given)["told"]

    def inject_fault(self, operation: str, fault: str, times: int = 1, **how: Any) -> None:
        """The next `times` calls of `operation` go wrong."""
        self.control("faults/", {"operation": operation, "fault": fault, "times": times, **how})

    def pending_faults(self) -> list[dict[str, Any]]:
        """Faults that no call has met yet."""
        return self.control("faults/")["faults"]

    def reset(self, seed: int | None = None, **percent: int) -> None:
        """Forgets everything; with a seed, `percent` of a hundred calls of each operation go wrong from now on."""
        self.control("reset/", {} if seed is None else {"seed": seed, "percent": percent})

    def refund_in_dashboard(self, merchant_order_id: str, amount_paise: int | None = None) -> None:
        """Somebody refunds in the dashboard, all that is left or so much."""
        self.control(f"orders/{merchant_order_id}/refund/", {"amount_paise": amount_paise})

    def stop_clock(self) -> None:
        self.control("clock/", {"stopped": True})

    def advance_clock(self, seconds: int) -> None:
        self.control("clock/", {"advance": seconds})

    def send_webhooks_to(self, url: str) -> None:
        """As set in V2's dashboard. (V1 names the address of its callback with every order.)"""
        self.control("merchants/SIMMERCHANT/", {"webhook_url": url})

    def orders(self) -> list[dict[str, Any]]:
        """Every order that PhonePe knows, the newest first."""
        return self.control("orders/")["orders"]

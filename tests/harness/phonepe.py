"""The simulated PhonePe as a test sees it: what its customer does, what goes wrong on its wire, what it knows."""

from typing import Any

from django.test import Client

from simulator.models import Delivery, Fault
from simulator.models import Order as SimulatedOrder

CONTROL = "/simulator/control/"


class PhonePe:
    """Works through the control door, as a person with curl would."""

    def __init__(self) -> None:
        self.client = Client(headers={"X-Ops-Token": "tests-only-ops-token"})

    def decide(self, merchant_order_id: str, outcome: str = "success", **how: Any) -> None:
        self._post(f"orders/{merchant_order_id}/decide/", {"outcome": outcome, **how})

    def breaks(self, operation: str, fault: str, times: int = 1, **how: Any) -> None:
        """The next `times` calls of `operation` go wrong."""
        self._post("faults/", {"operation": operation, "fault": fault, "times": times, **how})

    def begins_anew(self, seed: int | None = None, **percent: int) -> None:
        """Forgets everything; with a seed, `percent` of a hundred calls of each operation go wrong from now on."""
        self._post("reset/", {} if seed is None else {"seed": seed, "percent": percent})

    def gives_back(self, merchant_order_id: str, amount_paise: int | None = None) -> None:
        """Somebody refunds in the dashboard, all that is left or so much."""
        self._post(f"orders/{merchant_order_id}/refund/", {"amount_paise": amount_paise})

    def stops_its_clock(self) -> None:
        self._post("clock/", {"stopped": True})

    def heals(self) -> None:
        Fault.objects.all().delete()

    def passes(self, seconds: int) -> None:
        self._post("clock/", {"advance": seconds})

    @property
    def order_ids(self) -> list[str]:
        return list(SimulatedOrder.objects.order_by("pk").values_list("merchant_order_id", flat=True))

    @property
    def webhooks(self) -> list[Delivery]:
        return list(Delivery.objects.select_related("merchant").order_by("pk"))

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self.client.post(CONTROL + path, body, content_type="application/json")
        assert answer.status_code == 200, answer.content

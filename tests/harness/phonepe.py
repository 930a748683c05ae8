"""The simulated PhonePe as a test sees it: what its customer does, which faults it has, what it knows."""

from typing import Any

from django.test import Client

from simulator.models import Delivery, Fault
from simulator.models import Order as SimulatedOrder
from tests.harness.control_api import ControlApi

CONTROL = "/simulator/control/"


class PhonePe(ControlApi):
    """Lives in the test's own process and database."""

    def __init__(self) -> None:
        self.client = Client(headers={"X-Ops-Token": "tests-only-ops-token"})

    def control(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if body is None:
            answer = self.client.get(CONTROL + path)
        else:
            answer = self.client.post(CONTROL + path, body, content_type="application/json")
        assert answer.status_code == 200, answer.content
        return answer.json()

    def clear_faults(self) -> None:
        Fault.objects.all().delete()

    @property
    def order_ids(self) -> list[str]:
        return list(SimulatedOrder.objects.order_by("pk").values_list("merchant_order_id", flat=True))

    @property
    def webhooks(self) -> list[Delivery]:
        return list(Delivery.objects.select_related("merchant").order_by("pk"))

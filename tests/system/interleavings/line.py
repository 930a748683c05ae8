"""A line to the simulated PhonePe on which a test can let something happen at the worst moment."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import requests

from simulator.adapter import SimulatorAdapter

Action = Callable[[requests.PreparedRequest], Any]


class Line(SimulatorAdapter):
    """Each action happens once, in the thread that calls PhonePe; one that raises cuts the line."""

    before: dict[str, list[Action]] = defaultdict(list)
    after: dict[str, list[Action]] = defaultdict(list)

    def send(self, request: requests.PreparedRequest, **how: Any) -> requests.Response:
        operation = operation_of(request)
        _happen(self.before[operation], request)
        answer = super().send(request, **how)
        _happen(self.after[operation], request)
        return answer

    @classmethod
    def clear(cls) -> None:
        cls.before.clear()
        cls.after.clear()


def operation_of(request: requests.PreparedRequest) -> str:
    path = request.path_url.partition("?")[0]
    return "status" if "/status" in path else path.rpartition("/")[2]


def _happen(actions: list[Action], request: requests.PreparedRequest) -> None:
    if actions:
        actions.pop(0)(request)

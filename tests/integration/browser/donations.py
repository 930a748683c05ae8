from typing import Any

import requests

from tests.harness.installation import Installation


def start_donation(shop: Installation) -> dict[str, Any]:
    """A guest's donation of ₹1501.50: the answer of process-cart."""
    url = f"{shop.url}/api/payments/payments/process-cart/"
    answer = requests.post(url, json={"amount": "1501.50", "user_id": "temple-visitor-7"}, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()

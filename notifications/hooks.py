"""Alerts as signed JSON to a program of the staff: a chat, a pager, a ticket system."""

import hashlib
import hmac
import json
from typing import Any

import requests
from django.conf import settings

TIMEOUT = (5, 10)


def call(message_id: str, payload: dict[str, Any]) -> None:
    """One POST. `X-OkPuja-Signature: sha256=…` is the HMAC of the raw body with STAFF_WEBHOOK_SECRET.

    `id` is the same at every try. Raises requests' exceptions, also for any answer that is not 2xx.
    """
    body = json.dumps({"id": message_id.strip("<>"), **payload}, ensure_ascii=False).encode()
    digest = hmac.new(settings.STAFF_WEBHOOK_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-OkPuja-Signature": f"sha256={digest}"}
    answer = requests.post(
        settings.STAFF_WEBHOOK_URL, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
    )
    if not answer.ok or answer.is_redirect:
        raise requests.HTTPError(f"answered {answer.status_code}", response=answer)

"""`Idempotency-Key` for the actions of a viewset."""

import functools
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from core.errors import handle_exception
from payment.services.idempotency import GUEST, claim_key, release_key, store_answer

Action = Callable[..., Response]

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="the same key and body gives the same answer"
)


def _caller(user: Any) -> str:
    """A rotated key is the same caller."""
    if isinstance(user, ApiKey):
        return f"key:{user.family}"
    return f"user:{user.pk}" if user.is_authenticated else GUEST


def idempotent(route: str, good_until: str = "") -> Callable[[Action], Action]:
    """The action runs once for each caller, route and Idempotency-Key; a repeated request gets the stored answer.

    `route` is part of the key's scope, and is formatted with the arguments of the URL. Without the header, the action
    runs each time. `good_until`: the member of a 2xx answer that says when it is not worth repeating any more.
    """

    def decorate(action: Action) -> Action:
        @functools.wraps(action)
        def run_once(view: Any, request: Request, **kwargs: Any) -> Response:
            key = request.headers.get("Idempotency-Key", "")
            if not key:
                return action(view, request, **kwargs)
            caller = _caller(request.user)
            row = claim_key(caller, route.format(**kwargs), key, request.data, good_until)
            if row.status_code is not None:
                return Response(row.answer, row.status_code, headers={"Idempotent-Replayed": "true"})
            answer: Response | None = None
            try:
                answer = action(view, request, **kwargs)
                return answer
            except APIException as refusal:
                answer = handle_exception(refusal, {})
                raise
            finally:
                if answer is None:
                    release_key(row)
                else:
                    store_answer(row, answer.status_code, answer.data)

        return run_once

    return decorate

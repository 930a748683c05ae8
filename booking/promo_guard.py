"""Promo codes can be guessed: wrong ones are counted by person and by network."""

from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework.exceptions import ValidationError

from core.guesses import HOUR, Limit, begin_attempt
from core.networks import network_of

PROMO_NETWORK = Limit("promo network", free=60, window=HOUR, alert_at=120)
PROMO_USER = Limit("promo user", free=10, window=HOUR, alert_at=20)


@contextmanager
def guarded_promo(code: str | None, who: int | str, address: str) -> Iterator[None]:
    """Around whatever looks at the code, outside of its transaction. Raises TooManyAttempts.

    `who`: the id of the account, or the mail address of somebody who may have none yet. Only a refusal of the code
    itself counts as a wrong guess.
    """
    if not code:
        yield
        return
    network = (PROMO_NETWORK, network_of(address))
    attempt = begin_attempt(address, network, (PROMO_USER, str(who)))
    is_wrong = False
    try:
        yield
    except ValidationError as error:
        is_wrong = "promo_code" in error.detail
        raise
    finally:
        if not is_wrong:
            attempt.was_right()

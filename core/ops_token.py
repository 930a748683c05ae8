"""OPS_TOKEN, guarded against guessing by the network of the caller."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from core.guesses import HOUR, MINUTE, Limit, TooManyAttempts, begin_attempt
from core.networks import client_address, network_of

OPS_TOKEN = Limit("ops token", free=10, window=HOUR, first_wait=MINUTE)


def check_ops_token(offered: str, address: str) -> bool:
    """Whether it is OPS_TOKEN. An empty one is known to nobody. Raises TooManyAttempts."""
    if not offered or not settings.OPS_TOKEN:
        return False
    attempt = begin_attempt(address, (OPS_TOKEN, network_of(address)))
    if not constant_time_compare(offered, settings.OPS_TOKEN):
        return False
    attempt.was_right()
    return True


def is_ops_token(request: HttpRequest, offered: str) -> bool:
    """For the simulator (settings.OPS_TOKEN_CHECK): False also while nothing is looked at."""
    try:
        return check_ops_token(offered, client_address(request))
    except TooManyAttempts:
        return False

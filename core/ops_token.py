"""OPS_TOKEN, guarded against guessing by the network of the caller.

Many programs use it at once from one address, so a right one is not counted: it is compared first, and nobody learns
the result while their network waits. A wrong one is counted before it is answered, so parallel guesses gain nothing.
"""

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from core.guesses import HOUR, MINUTE, Limit, TooManyAttempts, begin_attempt, refuse_while_waiting
from core.networks import client_address, network_of

OPS_TOKEN = Limit("ops token", free=10, window=HOUR, first_wait=MINUTE)


def check_ops_token(offered: str, address: str) -> bool:
    """Whether it is OPS_TOKEN. An empty one is known to nobody. Raises TooManyAttempts."""
    if not offered or not settings.OPS_TOKEN:
        return False
    limit = OPS_TOKEN, network_of(address)
    if constant_time_compare(offered, settings.OPS_TOKEN):
        refuse_while_waiting(*limit)
        return True
    begin_attempt(address, limit)
    return False


def is_ops_token(request: HttpRequest, offered: str) -> bool:
    """For the simulator (settings.OPS_TOKEN_CHECK): False also while nothing is looked at."""
    try:
        return check_ops_token(offered, client_address(request))
    except TooManyAttempts:
        return False

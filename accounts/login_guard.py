"""Guards every login with a password: the API's, the admin's, and whatever else calls Django's `authenticate`.

A network from which a person has logged in before has a counter of its own for that person: strangers who guess at the
account from elsewhere, or who use up the attempts of a shared network, do not keep its owner out.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.models import User
from core import counters
from core.guesses import DAY, HOUR, MINUTE, Attempt, Limit, begin_attempt
from core.models import Counter
from core.networks import UNKNOWN, client_address, network_of

logger = logging.getLogger(__name__)

# A network may be a whole town behind one address, and most of its people only mistype: its span is short.
LOGIN_NETWORK = Limit("login network", free=30, window=HOUR, first_wait=MINUTE, alert_at=60)
LOGIN_ACCOUNT = Limit("login account", free=5)
LOGIN_KNOWN_NETWORK = Limit("login known", free=5)
# Of a person who is logged in and gives their password again.
PASSWORD_CHECK = Limit("password check", free=5)
KNOWN = "known network"
KNOWN_SECONDS = 90 * DAY


@dataclass
class Login:
    attempt: Attempt
    subject: str

    def was_right(self) -> None:
        """Takes the attempt back, and remembers the network."""
        self.attempt.was_right()
        counters.count(KNOWN, self.subject, KNOWN_SECONDS, time.time())


def begin_login(email: str, address: str) -> Login:
    """Call it before the password is looked at. Raises TooManyAttempts, whether the account exists or not."""
    account, network = email.strip().lower(), network_of(address)
    here = f"{account} {network}"
    known = Counter.objects.filter(pk=counters.key_of(KNOWN, here), ends__gt=time.time())
    if known.exists():
        return Login(begin_attempt(address, (LOGIN_KNOWN_NETWORK, here)), here)
    return Login(begin_attempt(address, (LOGIN_NETWORK, network), (LOGIN_ACCOUNT, account)), here)


def begin_password_check(user_id: int, address: str) -> Attempt:
    """Before the password of somebody who is logged in is looked at. Raises TooManyAttempts."""
    return begin_attempt(address, (PASSWORD_CHECK, str(user_id)))


class GuardedBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Raises TooManyAttempts."""
        email = username or kwargs.get(User.USERNAME_FIELD)
        if email is None or password is None:
            return None
        address = client_address(request) if request else UNKNOWN
        login = begin_login(email, address)
        user = super().authenticate(request, email, password)
        if user is None:
            logger.warning("login refused", extra={"address": address})
            return None
        login.was_right()
        return user

"""Guards every login with a password: the API's, the admin's, and whatever else calls Django's `authenticate`.

A network from which a person has logged in before has a counter of its own for that person: strangers who guess at the
account from elsewhere, or who use up the attempts of a shared network, do not keep its owner out. In a new network the
owner gets the same by a code in their mailbox (`accounts.codes`).
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from accounts.hashers import spend_time_of_comparison
from accounts.known_networks import account_of, is_known, remember_network
from accounts.models import User
from core.guesses import HOUR, MINUTE, Attempt, Limit, begin_attempt
from core.networks import UNKNOWN, client_address, network_of

logger = logging.getLogger(__name__)

# A network may be a whole town behind one address, and most of its people only mistype: its span is short.
LOGIN_NETWORK = Limit("login network", free=30, window=HOUR, first_wait=MINUTE, alert_at=60)
LOGIN_ACCOUNT = Limit("login account", free=5)
LOGIN_KNOWN_NETWORK = Limit("login known", free=5)
# All of them together: a network that is stopped learns only of few accounts whether they are known there.
LOGIN_KNOWN_NETWORKS = Limit("login known networks", free=60, window=HOUR, first_wait=MINUTE, alert_at=60)
# Of a person who is logged in and gives their password again.
PASSWORD_CHECK = Limit("password check", free=5)


@dataclass
class Login:
    attempt: Attempt
    email: str
    address: str

    def was_right(self) -> None:
        """Takes the attempt back, and remembers the network."""
        self.attempt.was_right()
        remember_network(self.email, self.address)


def begin_login(email: str, address: str) -> Login:
    """Call it before the password is looked at. Raises TooManyAttempts, whether the account exists or not."""
    account, network = account_of(email), network_of(address)
    if is_known(email, address):
        limits = (LOGIN_KNOWN_NETWORKS, network), (LOGIN_KNOWN_NETWORK, f"{account} {network}")
    else:
        limits = (LOGIN_NETWORK, network), (LOGIN_ACCOUNT, account)
    return Login(begin_attempt(address, *limits), email, address)


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
        user = User.objects.filter(email=email).first()
        if user is None:
            spend_time_of_comparison(email, password)
        if user is None or not user.check_password(password) or not self.user_can_authenticate(user):
            logger.warning("login refused", extra={"address": address, "user": user.pk if user else None})
            return None
        login.was_right()
        return user

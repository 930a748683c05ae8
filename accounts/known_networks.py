"""Networks where the owner of an account has shown to be it: by a password, a code from their mailbox, or a session.

Guesses there are counted apart (`accounts.login_guard`, `accounts.codes`), so that strangers elsewhere keep nobody out.
"""

import time

from core import counters
from core.models import Counter
from core.networks import network_of

KNOWN = "known network"
KNOWN_SECONDS = 90 * 86_400


def account_of(email: str) -> str:
    """What is counted as one account, whether it exists or not."""
    return email.strip().lower()


def is_known(email: str, address: str) -> bool:
    """Whether the account's owner was at this network within KNOWN_SECONDS."""
    key = counters.key_of(KNOWN, f"{account_of(email)} {network_of(address)}")
    return Counter.objects.filter(pk=key, ends__gt=time.time()).exists()


def remember_network(email: str, address: str) -> None:
    """For KNOWN_SECONDS from now on. Only for who has shown to be the account's owner."""
    now = time.time()
    counter = Counter(
        key=counters.key_of(KNOWN, f"{account_of(email)} {network_of(address)}"),
        scope=KNOWN,
        count=1,
        started=now,
        ends=now + KNOWN_SECONDS,
    )
    Counter.objects.bulk_create(
        [counter], update_conflicts=True, unique_fields=["key"], update_fields=["started", "ends"]
    )

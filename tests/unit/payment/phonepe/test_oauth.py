import threading
import time

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection

from payment.phonepe.enums import ErrorCategory
from payment.phonepe.errors import RequestFailed
from payment.phonepe.oauth import TokenStore
from payment.phonepe.schemas import RequestOutcome
from payment.phonepe.transport import Deadline
from payment.phonepe.v2 import AccessToken
from tests.unit.payment import wire

ISSUED, EXPIRES = 1_781_150_400, 1_781_775_000
HALF = 1_781_462_700
MERCHANT = wire.merchant("v2")
FAILED = RequestFailed(ErrorCategory.GATEWAY_5XX, RequestOutcome.NOT_SENT)


class Shop:
    """One process: its tokens, its clock, and how often it went to PhonePe for one."""

    def __init__(self, merchant=MERCHANT):
        self.now, self.fetched, self.failure = ISSUED + 10, 0, None
        self.tokens = TokenStore(merchant, now=lambda: self.now)

    def fetch(self, deadline):
        self.allowed = deadline.remaining()
        if self.failure:
            raise self.failure
        self.fetched += 1
        return AccessToken(
            f"token-{id(self)}-{self.fetched}", int(self.now), int(self.now) + EXPIRES - ISSUED
        )

    def get(self, seconds=5):
        return self.tokens.get(self.fetch, Deadline(seconds))


def test_one_token_serves_until_half_of_its_life():
    shop = Shop()
    first = shop.get()
    shop.now = first.issued_at + (EXPIRES - ISSUED) // 2 - 1
    assert shop.get() == first
    shop.now += 1
    assert shop.get() != first
    assert shop.fetched == 2


def test_a_valid_token_is_used_while_no_new_one_can_be_had():
    shop = Shop()
    first = shop.get()
    shop.now, shop.failure = HALF + 60, FAILED
    assert shop.get() == first


def test_a_renewal_may_not_take_the_time_of_the_payment():
    shop = Shop()
    shop.get(seconds=10)
    assert shop.allowed > 9
    shop.now = HALF + 60
    shop.get(seconds=10)
    assert shop.allowed <= 3


def test_a_failed_renewal_is_not_repeated_at_every_call():
    shop = Shop()
    shop.get()
    shop.now, shop.failure = HALF + 60, FAILED
    shop.get()
    shop.failure = None
    shop.get()
    assert shop.fetched == 1
    shop.now += 30
    shop.get()
    assert shop.fetched == 2


def test_without_any_valid_token_the_failure_is_told():
    shop = Shop()
    shop.get()
    shop.now, shop.failure = EXPIRES + 60, FAILED
    with pytest.raises(RequestFailed):
        shop.get()


def test_processes_share_a_token():
    first, second = Shop(), Shop()
    assert first.get() == second.get()
    assert second.fetched == 0


def test_a_token_renewed_by_one_process_is_taken_over_by_the_other():
    first, second = Shop(), Shop()
    first.get()
    second.get()
    first.now = second.now = HALF + 60
    assert first.get() == second.get()
    assert (first.fetched, second.fetched) == (2, 0)


def test_another_secret_never_meets_the_token_of_the_old_one():
    Shop().get()
    renewed = Shop(wire.merchant("v2", client_secret="a-new-secret"))
    renewed.get()
    assert renewed.fetched == 1


def test_a_refused_token_is_forgotten_by_every_process():
    first, second = Shop(), Shop()
    refused = first.get()
    first.tokens.discard(refused)
    assert second.get() != refused


@pytest.mark.parametrize("remembers", [True, False])
def test_a_late_refusal_does_not_throw_away_the_newer_token(settings, remembers):
    if not remembers:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    shop = Shop()
    old = shop.get()
    shop.now = HALF + 60
    new = shop.get()
    shop.tokens.discard(old)
    assert shop.get() == new


def test_many_threads_fetch_one_token():
    shop = Shop()
    begin, got = threading.Barrier(8), []

    def work():
        begin.wait()
        got.append(shop.get())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shop.fetched == 1
    assert len(set(got)) == 1


class SlowShop(Shop):
    """Its renewal waits until it is let go."""

    def __init__(self):
        super().__init__()
        self.fetching, self.go = threading.Event(), threading.Event()

    def fetch(self, deadline):
        self.fetching.set()
        self.go.wait(10)
        return super().fetch(deadline)

    def renewing(self):
        thread = threading.Thread(target=self.get)
        thread.start()
        self.fetching.wait(10)
        return thread


def test_who_holds_a_valid_token_does_not_wait_for_the_renewal():
    shop = SlowShop()
    shop.go.set()
    first = shop.get()
    shop.go.clear()
    shop.fetching.clear()
    shop.now = HALF + 60
    thread, began = shop.renewing(), time.monotonic()
    assert shop.get(seconds=60) == first
    assert time.monotonic() - began < 2
    shop.go.set()
    thread.join()


def test_who_has_no_token_waits_no_longer_than_the_deadline():
    shop = SlowShop()
    thread = shop.renewing()
    with pytest.raises(RequestFailed) as caught:
        shop.get(seconds=0.05)
    assert caught.value.outcome is RequestOutcome.NOT_SENT
    shop.go.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_cache_without_its_table_costs_sharing_and_nothing_else(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "never_created"}
    }
    first, second = Shop(), Shop()
    assert first.get() == first.get()
    assert second.get() != first.get()
    assert not connection.in_atomic_block


def test_who_may_not_wait_for_the_shared_cache_keeps_tokens_elsewhere():
    """A diagnosis of a broken database, with the cache in it, still asks PhonePe."""
    kept = LocMemCache("elsewhere", {})
    shop = Shop()
    shop.tokens = TokenStore(MERCHANT, now=lambda: shop.now, store=kept)
    grant = shop.get()
    other = TokenStore(MERCHANT, now=lambda: shop.now, store=kept)
    assert other.get(shop.fetch, Deadline(5)) == grant
    other.discard(grant)
    assert shop.fetched == 1
    assert TokenStore(MERCHANT, now=lambda: shop.now, store=kept).get(shop.fetch, Deadline(5)) != grant


ODD_LIVES = {
    "PhonePe's clock is an hour ahead": (3600, 3600 + 900),
    "PhonePe's clock is an hour behind": (-7200, -3600),
    "a day of 1970": (-ISSUED + 1, -ISSUED + 86_400),
    "a life of a hundred years": (0, 100 * 365 * 86_400),
    "a life of a second": (0, 1),
}


@pytest.mark.parametrize("life", ODD_LIVES)
def test_a_token_whose_life_cannot_be_as_told_is_used_and_renewed_soon(life):
    shop = Shop()
    issued, expires = ODD_LIVES[life]
    fetched = []

    def fetch(deadline):
        fetched.append(shop.now)
        return AccessToken(f"token-{len(fetched)}", int(shop.now) + issued, int(shop.now) + expires)

    for _ in range(10):
        shop.tokens.get(fetch, Deadline(5))
        shop.now += 10
    assert len(fetched) == 1
    shop.now += 300
    shop.tokens.get(fetch, Deadline(5))
    assert len(fetched) == 2


@pytest.mark.parametrize("hours", [1, -1, 24 * 365, -24 * 365])
def test_a_clock_that_is_set_costs_at_most_one_token(hours):
    shop = Shop()
    shop.get()
    shop.now += hours * 3600
    for _ in range(5):
        shop.get()
        shop.now += 1

    assert shop.fetched <= 2

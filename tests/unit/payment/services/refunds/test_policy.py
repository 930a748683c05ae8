"""How much of a cancelled booking goes back. No database: hours, percent, whole paise."""

from datetime import timedelta

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as some

from payment.services.refunds.amounts import share_paise

POLICY = [(48, 100), (24, 50), (0, 0)]


@pytest.mark.parametrize(
    ("hours", "goes_back"), [(49, 110_000), (48, 110_000), (47, 55_000), (24, 55_000), (23, 0), (0, 0)]
)
def test_the_longer_ahead_the_more_goes_back(settings, hours, goes_back):
    settings.REFUND_POLICY = POLICY

    assert share_paise(110_000, timedelta(hours=hours)) == goes_back


def test_a_booking_whose_time_has_passed_brings_nothing_back(settings):
    settings.REFUND_POLICY = POLICY

    assert share_paise(110_000, timedelta(hours=-1)) == 0


@given(
    left=some.integers(min_value=0, max_value=10_000_000),
    percent=some.integers(min_value=0, max_value=100),
)
def test_neither_what_goes_nor_what_stays_is_less_than_a_rupee_and_not_nothing(left, percent):
    with override_settings(REFUND_POLICY=[(0, percent)]):
        share = share_paise(left, timedelta(hours=1))

    assert 0 <= share <= left
    assert share == 0 or share >= 100
    assert left - share == 0 or left - share >= 100 or share == 0
    assert share <= left * percent / 100 or share == left

"""A short one, so that the testbed itself is known to work; `make torture` is the long one."""

import pytest

from tests.system.torture.__main__ import torture

pytestmark = [
    pytest.mark.proof,
    pytest.mark.only_postgresql,  # brings its own: once is enough
]


def test_a_short_bad_time_leaves_the_books_in_order():
    assert torture(minutes=0.2, seed=7, customers=12) == []

"""A few rounds of `make races` in every run of the suite: their accounts must be right after each of them."""

import pytest

from tests.harness import PROOFS
from tests.system.races.contests import CONTESTS
from tests.system.races.rounds import arena, play

pytestmark = [pytest.mark.sockets, pytest.mark.only_postgresql]

ROUNDS, SEED = 5 if PROOFS else 2, 20251101


@pytest.fixture(scope="module", params=["v1", "v2"])
def ring(request):
    with arena(request.param) as ring:
        yield ring


@pytest.mark.proof(every=10)
@pytest.mark.parametrize("contest", CONTESTS)
def test_after_every_round_the_books_are_right_and_nobody_was_told_of_an_error(ring, contest):
    assert play(*ring, contest, ROUNDS, SEED).violations == []

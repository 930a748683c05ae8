"""PhonePe's names of events, in both spellings."""

import pytest

from payment.phonepe.webhook_events import FAMILIES, Family, canonical, dispute_word, family_of, is_known
from simulator.events import EVENTS

NAMES = [(family, name) for family, names in FAMILIES.items() for name in names]


@pytest.mark.parametrize(("family", "name"), NAMES, ids=[name for _, name in NAMES])
def test_each_event_is_known_in_both_spellings(family, name):
    for spelt in (name, name.upper().replace(".", "_")):
        assert (is_known(spelt), canonical(spelt), family_of(spelt)) == (True, name, family)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("payment.dispute.accepted", Family.DISPUTE),
        ("PAYMENT_DISPUTE_ACCEPTED", Family.DISPUTE),
        ("pg.refund.reversed", Family.REFUND),
        ("checkout.order.reversed", Family.ORDER),
        ("settlement.reversed", Family.UNKNOWN),
        ("unnamed", Family.UNKNOWN),
    ],
)
def test_a_new_word_of_a_family_is_about_what_the_family_is_about_and_is_not_known(name, family):
    assert (family_of(name), is_known(name)) == (family, False)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("payment.dispute.under_review", "UNDER_REVIEW"),
        ("PAYMENT_DISPUTE_UNDER_REVIEW", "UNDER_REVIEW"),
        ("payment.dispute.accepted", "ACCEPTED"),
    ],
)
def test_the_word_of_a_dispute(name, word):
    assert dispute_word(name) == word


def test_the_simulated_phonepe_sends_no_event_that_is_not_known():

    assert [name for name in EVENTS if not is_known(name)] == []

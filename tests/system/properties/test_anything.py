"""Anything in any order: customers, PhonePe, staff, workers, faults, deaths and time, as hypothesis deals them.

Every step keeps the laws. When quiet comes, each paid order is exactly one booking, donation, refund or case for staff,
and our ledger is PhonePe's account. The same deals at every run; `HYPOTHESIS_PROFILE=deep` deals others.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from booking.models import Booking, WaitingEntry
from payment.models import Payment, Refund
from payment.services.offers import slots_to_choose
from payment.states import Fulfilment, PaymentState
from tests.harness import PROOFS
from tests.system.properties import audit, scenarios
from tests.system.properties.installation import (
    DAY,
    DEEP,
    HOUR,
    MINUTE,
    InProcessInstallation,
    pick,
    waiting_for_choice,
)

EXAMPLES, STEPS = (24 if PROOFS else 4, 40) if not DEEP else (settings.default.max_examples, 60)

who, which = st.integers(0, 1), st.integers(0, 5)
slots = st.sampled_from((0, 0, 1, 2))
OUTCOMES = ("success", "success", "success", "failure", "late_success", "attempt_failed", "slow", "expire")
FAULTS = ("reset_before", "reset_after", "never_answer", "status_503", "html", "refuse", "cut_json")

BEGINNINGS = (
    scenarios.be_offered_another_time,
    scenarios.be_booked,
    scenarios.be_paid_twice,
    scenarios.lose_the_place,
    scenarios.be_sent_back,
    scenarios.fill_cart_and_lose_the_page,
    scenarios.be_failed,
)


class RandomHistory(RuleBasedStateMachine):
    @initialize(beginning=st.sampled_from(BEGINNINGS))
    def the_day_begins(self, beginning):
        """In the midst of a scenario."""
        self.installation = InProcessInstallation()
        beginning(self.installation)

    @rule(customer=who, slot=slots)
    def somebody_buys(self, customer, slot):
        """As it should be, if nothing is ill and nobody dies."""
        self.somebody_orders(customer, slot)
        self.a_page_is_used(-1, "success")
        self.phonepe_calls(0, again=False)

    @rule(customer=who, slot=slots)
    def somebody_orders(self, customer, slot):
        self.installation.choose(customer, slot)
        self.installation.click(customer)

    @rule(customer=who)
    def somebody_clicks_again(self, customer):
        self.installation.click(customer)

    @rule(rupees=st.integers(1, 500))
    def a_guest_gives(self, rupees):
        self.installation.give(rupees)

    @rule(customer=who)
    def somebody_gives_up(self, customer):
        self.installation.give_up(customer)

    @rule(number=which, outcome=st.sampled_from(OUTCOMES))
    def a_page_is_used(self, number, outcome):
        if order := pick(self.installation.phonepe.order_ids, number):
            self.installation.decide(order, outcome)

    @rule(number=which, paise=st.sampled_from((100, 50_000, 120_000)))
    def another_amount_comes(self, number, paise):
        if order := pick(self.installation.phonepe.order_ids, number):
            self.installation.decide(order, "success", amount_paise=paise)

    @rule(number=which, again=st.booleans())
    def phonepe_calls(self, number, again):
        """The newest or an older one, late, in any order, twice, or never."""
        if delivery := pick(self.installation.phonepe.webhooks[::-1], number):
            for _ in range(1 + again):
                self.installation.call_us(delivery)

    @rule(number=which)
    def somebody_comes_back(self, number):
        if payment := pick(Payment.objects.all(), number):
            self.installation.come_back(payment)

    @rule(number=which)
    def somebody_looks_for_their_booking(self, number):
        if payment := pick(Payment.objects.all(), number):
            self.installation.check(payment)

    @rule(number=which)
    def somebody_cancels(self, number):
        if booking := pick(Booking.objects.order_by("pk"), number):
            self.installation.cancel(booking)

    @rule(number=which, slot=slots)
    def somebody_moves(self, number, slot):
        if booking := pick(Booking.objects.order_by("pk"), number):
            self.installation.move(booking, self.installation.slots[slot])

    @rule(number=which)
    def somebody_tries_again(self, number):
        if payment := pick(Payment.objects.filter(user__isnull=False), number):
            self.installation.try_again(payment)

    @rule(customer=who, slot=slots)
    def somebody_waits_for_a_place(self, customer, slot):
        self.installation.wait_for(customer, self.installation.slots[slot])

    @rule(number=which, leaves=st.booleans())
    def somebody_answers_on_the_waiting_list(self, number, leaves):
        if entry := pick(WaitingEntry.objects.order_by("pk"), number):
            self.installation.answer_waiting(entry, leaves=leaves)

    @rule(number=which, chosen=st.one_of(st.none(), which))
    def somebody_answers_their_offer(self, number, chosen):
        if payment := pick(waiting_for_choice(), number):
            found = slots_to_choose(payment)
            self.installation.answer_offer(payment, None if chosen is None else pick(found, chosen))

    @rule(number=which, rupees=st.sampled_from((None, 1, 100, 600)))
    def staff_refund(self, number, rupees):
        if payment := pick(Payment.objects.filter(state=PaymentState.SUCCESS), number):
            self.installation.refund(payment, rupees)

    @rule(number=which, action=st.sampled_from(("book", "refund")))
    def staff_decide_what_is_held(self, number, action):
        if payment := pick(Payment.objects.filter(fulfilment=Fulfilment.HELD_FOR_STAFF), number):
            self.installation.resolve(payment, action)

    @rule(slot=slots, then=st.sampled_from(("move", "refund")))
    def the_temple_closes_a_time(self, slot, then):
        self.installation.close(self.installation.slots[slot], then)

    @rule(number=which, outcome=st.sampled_from(("confirm", "success", "failure")))
    def the_bank_decides_a_refund(self, number, outcome):
        if refund := pick(Refund.objects.all(), number):
            self.installation.decide_refund(refund, outcome)

    @rule(seconds=st.sampled_from((0, 30, 5 * MINUTE, 20 * MINUTE, HOUR, 25 * HOUR, 2 * DAY)))
    def time_passes_and_the_worker_works(self, seconds):
        self.installation.advance_time(seconds)
        self.installation.work()

    @rule(
        operation=st.sampled_from(("pay", "status", "refund", "refund_status", "token")),
        fault=st.sampled_from(FAULTS),
        times=st.integers(1, 6),
    )
    def phonepe_falls_ill(self, operation, fault, times):
        self.installation.phonepe.inject_fault(operation, fault, times)

    @rule()
    def phonepe_recovers(self):
        self.installation.phonepe.clear_faults()

    @rule(boundary=st.integers(1, 12))
    def our_process_will_die(self, boundary):
        """So many commits and calls from now."""
        self.installation.dies_at = boundary

    @invariant()
    def the_laws_are_kept(self):
        assert audit.always() == {}

    def teardown(self):
        if hasattr(self, "installation"):
            self.installation.wait_until_at_rest(webhooks_arrive=False)
            self.installation.advance_time(HOUR)
            self.installation.work_until_idle()
            assert audit.at_rest() == {}


@pytest.mark.proof(every=2)
def test_whatever_happens_nothing_is_lost_and_nothing_invented(generation):
    run_state_machine_as_test(
        RandomHistory, settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS)
    )

"""What every row must show: the expected outcome, in time, and nothing at PhonePe that nobody watches."""

from booking.models import Cart
from payment.models import Payment
from payment.states import AttemptState, Fulfilment
from tests.integration.wire.refund_scenario import RefundScenario
from tests.integration.wire.rows import Case
from tests.integration.wire.scenario import CallResult, WireScenario

WATCHED = (AttemptState.UNKNOWN, AttemptState.PENDING, AttemptState.COMPLETED)


def click_and_click_again(case: Case, scenario: WireScenario) -> None:
    scenario.prepare()
    scenario.inject_fault()
    result = scenario.click()
    must_be_as_written(case, scenario, result)
    nothing_is_unwatched(scenario)
    scenario.restore()
    the_next_click_goes_on(case, scenario, result)
    nothing_is_unwatched(scenario)


def ask_and_ask_again(case: Case, scenario: WireScenario) -> None:
    scenario.prepare()
    scenario.inject_fault()
    result = scenario.ask()
    must_be_as_written(case, scenario, result)
    nothing_is_unwatched(scenario)
    scenario.restore()
    Payment.objects.filter(pk=scenario.payment.pk).update(asked_at=None)  # two seconds pass
    scenario.payment.refresh_from_db()
    assert scenario.ask().told == "paid"
    (payment,) = scenario.payments
    assert payment.fulfilment == Fulfilment.BOOKED
    assert payment.ledger.count() == 1


def send_back_and_send_again(case: Case, scenario: RefundScenario) -> None:
    scenario.prepare()
    scenario.inject_fault()
    result = scenario.act()
    must_be_as_written(case, scenario, result)
    scenario.restore()
    found = scenario.ask_about_refund().told
    assert found == ("known" if case.expected.known else "not found")
    if found == "not found" and result.told != "502":
        assert scenario.send().told == "known"
    assert scenario.sent_back() == (
        [] if result.told == "502" and found == "not found" else [scenario.refund.amount_paise]
    )


def must_be_as_written(case: Case, scenario: WireScenario, result: CallResult) -> None:
    assert scenario.outcome(result) == case.expected
    assert result.seconds <= case.latest
    assert scenario.categories() <= {case.category}
    if case.hop:
        assert (result.category, result.hop) == (case.category, case.hop)


def nothing_is_unwatched(scenario: WireScenario) -> None:
    """What PhonePe knows of is asked about, the buyer holds one page at most, nobody holds the right to call."""
    pages = 0
    for payment in scenario.payments:
        for attempt in payment.attempts.all():
            pages += bool(attempt.page_url)
            assert attempt.call_lease_until is None
            if scenario.is_known(attempt.merchant_order_id):
                assert attempt.state in WATCHED
                assert attempt.next_check_at or attempt.state == AttemptState.COMPLETED
    assert pages <= 1


def the_next_click_goes_on(case: Case, scenario: WireScenario, before: CallResult) -> None:
    """With the wire whole again: the same payment, but for one that PhonePe refused."""
    refused = before.told == "502"
    assert Cart.objects.get(pk=scenario.cart.pk).status == ("ACTIVE" if refused else "CHECKED_OUT")
    after = scenario.click()
    assert after.told == ("409" if before.told == "409" else "page")
    assert len(scenario.payments) == (2 if refused else 1)
    if before.told == "409":
        assert (after.category, after.hop) == (case.category, case.hop)
    if before.started:
        assert after.started.attempt == before.started.attempt

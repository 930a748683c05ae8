"""What every row must show: the law's outcome, in time, and nothing at PhonePe that nobody watches."""

from booking.models import Cart
from payment.models import Payment
from payment.states import AttemptState, Fulfilment
from tests.integration.wire.returns import RefundDesk
from tests.integration.wire.rows import Case
from tests.integration.wire.shop import Caught, Shop

WATCHED = (AttemptState.UNKNOWN, AttemptState.PENDING, AttemptState.COMPLETED)


def click_and_click_again(case: Case, shop: Shop) -> None:
    shop.prepare()
    shop.breaks()
    caught = shop.click()
    must_be_as_written(case, shop, caught)
    nothing_is_unwatched(shop)
    shop.heals()
    the_next_click_goes_on(case, shop, caught)
    nothing_is_unwatched(shop)


def ask_and_ask_again(case: Case, shop: Shop) -> None:
    shop.prepare()
    shop.breaks()
    caught = shop.ask()
    must_be_as_written(case, shop, caught)
    nothing_is_unwatched(shop)
    shop.heals()
    Payment.objects.filter(pk=shop.payment.pk).update(asked_at=None)  # two seconds pass
    shop.payment.refresh_from_db()
    assert shop.ask().told == "paid"
    (payment,) = shop.payments
    assert payment.fulfilment == Fulfilment.BOOKED
    assert payment.ledger.count() == 1


def send_back_and_send_again(case: Case, desk: RefundDesk) -> None:
    desk.prepare()
    desk.breaks()
    caught = desk.act()
    must_be_as_written(case, desk, caught)
    desk.heals()
    found = desk.ask_about_refund().told
    assert found == ("known" if case.expected.known else "not found")
    if found == "not found" and caught.told != "502":
        assert desk.send().told == "known"
    assert desk.sent_back() == (
        [] if caught.told == "502" and found == "not found" else [desk.refund.amount_paise]
    )


def must_be_as_written(case: Case, shop: Shop, caught: Caught) -> None:
    assert shop.outcome(caught) == case.expected
    assert caught.seconds <= case.latest
    assert shop.categories() <= {case.category}
    if case.hop:
        assert (caught.category, caught.hop) == (case.category, case.hop)


def nothing_is_unwatched(shop: Shop) -> None:
    """What PhonePe knows of is asked about, the buyer holds one page at most, nobody holds the right to call."""
    pages = 0
    for payment in shop.payments:
        for attempt in payment.attempts.all():
            pages += bool(attempt.page_url)
            assert attempt.call_lease_until is None
            if shop.is_known(attempt.merchant_order_id):
                assert attempt.state in WATCHED
                assert attempt.next_check_at or attempt.state == AttemptState.COMPLETED
    assert pages <= 1


def the_next_click_goes_on(case: Case, shop: Shop, before: Caught) -> None:
    """With the wire whole again: the same payment, but for one that PhonePe refused."""
    refused = before.told == "502"
    assert Cart.objects.get(pk=shop.cart.pk).status == ("ACTIVE" if refused else "CHECKED_OUT")
    after = shop.click()
    assert after.told == ("409" if before.told == "409" else "page")
    assert len(shop.payments) == (2 if refused else 1)
    if before.told == "409":
        assert (after.category, after.hop) == (case.category, case.hop)
    if before.started:
        assert after.started.attempt == before.started.attempt

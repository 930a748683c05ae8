"""The rules of the timeline in words, for staff. `payment.services.timeline` has other sentences for the buyer.

A test finds every rule that the code can write, and fails until it has its words here.
"""

from django.utils.translation import gettext_lazy as _

from core.language import Text
from payment.phonepe.response_codes import MEANINGS

WORDS: dict[str, Text] = {
    # orders at PhonePe
    "first_click": _("The customer pressed Pay."),
    "earlier_order_ended": _("The order before had ended, so another one was opened."),
    "merchant_changed": _("Our account at PhonePe had changed, so another order was opened."),
    "page_opened": _("PhonePe gave a payment page."),
    "sdk_order_opened": _("PhonePe gave an order for the app."),
    "upi_intent_opened": _("PhonePe gave a link for a UPI app."),
    "page_lost": _("The answer with the payment page was lost; the order is watched to its end."),
    "no_answer": _("PhonePe did not answer. The order may exist, so it is asked about."),
    "never_sent": _("The order never left this server."),
    "phonepe_says_pending": _("PhonePe says: not decided yet."),
    "phonepe_says_unknown": _("PhonePe said something that we do not know, so we go on asking."),
    "phonepe_says_completed": _("PhonePe says: paid."),
    "phonepe_says_confirmed": _("PhonePe says: the bank has accepted it."),
    "phonepe_says_failed": _("PhonePe says: failed."),
    "forgotten_by_phonepe": _("PhonePe no longer knows the order, long after its page had expired."),
    "never_reached_phonepe": _("PhonePe has never heard of the order, so it never arrived there."),
    "page_expired_unpaid": _("The payment page expired, and nobody had paid."),
    "given_up": _("The customer gave the payment up."),
    "stopped_by_staff": _("Staff stopped waiting for it."),
    "no_attempt_left": _("No order can bring money any more, so the payment ended."),
    # what became of the money
    "money_received": _("The agreed amount arrived."),
    "paid_by_hand": _("The money was taken by hand, so this payment is paid."),
    "taken_by_hand": _("Staff took the money by hand."),
    "amount_differs": _("Another amount, or one of another merchant, arrived: staff must decide."),
    "accepted_by_staff": _("Staff accepted what arrived as the payment."),
    "returned_by_staff": _("Staff sent back what arrived."),
    "released_while_held": _("The cart was freed while the money is in review."),
    "booked": _("The money became a booking."),
    "gift_received": _("The money is a donation."),
    "start_passed": _("The time had begun when the money arrived, so other times were offered."),
    "slot_gone": _("The time was taken when the money arrived, so other times were offered."),
    "no_place_left": _("The time was taken when the money arrived, and no other was free: it goes back."),
    "booked_meanwhile": _(
        "The customer had booked the same puja for the same time, so this money goes back."
    ),
    "cart_converted": _("The same cart had been paid before, so this money goes back."),
    "other_place_chosen": _("The customer chose another time."),
    "offer_declined": _("The customer declined the other times, so the money goes back."),
    "offer_expired": _("No other time was chosen in time, so the money goes back."),
    "closed_by_staff": _("Staff ended the offer, so the money goes back."),
    "all_sent_back": _("All of the money was sent back, so nothing is booked."),
    # bookings
    "called_off_by_temple": _(
        "The temple called the time off, and the customer was asked to choose another."
    ),
    "moved_by_temple": _("The temple moved the booking."),
    "moved_by_customer": _("The customer moved the booking."),
    "moved_for_customer": _("Staff moved the booking, as the customer had asked."),
    "closed_by_temple": _("Staff closed the time of this booking."),
    "priest_assigned": _("Staff chose a priest for the booking."),
    "priest_unassigned": _("Staff took the booking away from its priest."),
    "completed_by_staff": _("Staff marked the booking as completed."),
    # refunds
    "refund_promised": _("A refund was decided."),
    "refund_held": _("A refund was requested and waits for staff."),
    "refund_approved": _("A second person approved the refund."),
    "refund_withdrawn": _("A second person refused the refund."),
    "refund_superseded": _("The request no longer fits beside what goes back, so it ended."),
    "refund_sent": _("The refund was sent to PhonePe."),
    "refund_unanswered": _(
        "PhonePe did not answer about the refund, so it is asked again under the same number."
    ),
    "refund_never_arrived": _(
        "The refund never arrived at PhonePe, and is sent again under the same number."
    ),
    "refund_again": _("The refund failed and is tried again under another number."),
    "refund_failed_often": _("The refund failed under several numbers: staff must find out why."),
    "refund_found": _("PhonePe reports a refund that was made in its own dashboard."),
    "nothing_left": _("The money had gone another way, so this refund was cut."),
    "given_back_by_hand": _("The money was given back by hand."),
    "money_went_back": _("The money has gone back."),
    # decisions of staff on the desk
    "staff_refunded": _("Staff decided a refund."),
    "staff_cancelled": _("Staff cancelled the booking."),
    "staff_accepted": _("Staff decided to accept the amount."),
    "staff_returned": _("Staff decided to send the amount back."),
    "staff_approved": _("The second person decided: approved."),
    "staff_refused": _("The second person decided: refused."),
    "staff_ended_offer": _("Staff decided to end the offer."),
    "details_corrected": _("Staff corrected for whom the puja is."),
    "message_sent_again": _("Staff had a message sent once more."),
}


def words_of(rule: str) -> str:
    """A rule of ours, or a code of PhonePe that ended an order; the rule itself where it is neither."""
    if rule in WORDS:
        return str(WORDS[rule])
    return str(MEANINGS[rule].cause) if rule in MEANINGS else rule

"""What the buyer is told about their payment, in their language. Only its own state says where the money is."""

from payment.models import Payment
from payment.phonepe.response_codes import ASKING, PAID, STARTED, WAIT, Sentence, meaning
from payment.services.offers import can_choose
from payment.states import Fulfilment, PaymentState

BY_STATE = {
    PaymentState.PENDING: Sentence(
        "Payment is not yet confirmed. Please do not pay twice.",
        "भुगतान की अभी पुष्टि नहीं हुई है। कृपया दोबारा भुगतान न करें।",
    ),
    PaymentState.SUCCESS: Sentence("Payment is confirmed.", "भुगतान की पुष्टि हो गई है।"),
    PaymentState.FAILED: Sentence(
        "Payment failed. You have not been charged.", "भुगतान विफल रहा। आपसे कोई राशि नहीं ली गई है।"
    ),
    PaymentState.CANCELLED: Sentence(
        "Payment was not completed. If money has left your account, we will find it.",
        "भुगतान पूरा नहीं हुआ। यदि आपके खाते से राशि कट गई है, तो हम उसे खोज लेंगे।",
    ),
}
# Where these say more than the state does.
BY_FATE = {
    Fulfilment.HELD_FOR_STAFF: Sentence(
        "Your money has arrived. Our staff will contact you about your booking.",
        "आपकी राशि मिल गई है। हमारे कर्मचारी बुकिंग के बारे में आपसे संपर्क करेंगे।",
    ),
    Fulfilment.DUE: Sentence(
        "Your money has arrived. Your booking is being confirmed.",
        "आपकी राशि मिल गई है। आपकी बुकिंग की पुष्टि की जा रही है।",
    ),
    Fulfilment.OFFERED: Sentence(
        "Your money has arrived, but too late for the time you chose. Please choose another time.",
        "आपकी राशि मिल गई है, पर आपके चुने हुए समय के लिए देर हो गई। कृपया दूसरा समय चुनें।",
    ),
    Fulfilment.REFUND_DUE: Sentence(
        "Your money has arrived, but it could not become a booking. It will be refunded in full.",
        "आपकी राशि मिल गई है, पर बुकिंग नहीं हो सकी। पूरी राशि लौटाई जाएगी।",
    ),
    Fulfilment.REFUNDED: Sentence(
        "It could not become a booking. Your money has been refunded in full.",
        "बुकिंग नहीं हो सकी। आपकी पूरी राशि लौटा दी गई है।",
    ),
}
CALLED_OFF = Sentence(
    "The temple had to call off your time. Please choose another one, or get all of your money back.",
    "मंदिर को आपका समय रद्द करना पड़ा। कृपया दूसरा समय चुनें, या अपनी पूरी राशि वापस लें।",
)
UNDECIDED = {STARTED, PAID, WAIT, ASKING}  # nothing to say of a payment that has ended unpaid


def message(payment: Payment, language: str = "en") -> str:
    """One sentence, whatever PhonePe called it."""
    if payment.fulfilment == Fulfilment.BOOKED and can_choose(payment):
        return CALLED_OFF.in_language(language)
    found = BY_FATE.get(Fulfilment(payment.fulfilment)) or BY_STATE[PaymentState(payment.state)]
    return found.in_language(language)


def user_message(payment: Payment, language: str) -> str:
    """The same, and what the bank said of a payment that failed."""
    said = message(payment, language)
    if payment.state != PaymentState.FAILED or payment.fulfilment:
        return said
    last = max(payment.attempts.all(), key=lambda attempt: attempt.number)
    found = meaning(last.code)
    if found is None or found.sentence in UNDECIDED:
        return said
    return f"{said} {found.sentence.in_language(language)}"

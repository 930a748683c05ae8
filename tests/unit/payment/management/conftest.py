"""A command as somebody at a terminal meets it."""

import io

import pytest
from django.core.management import call_command

from payment.services.checkout import start_payment


@pytest.fixture
def unheard(alice, cart, phonepe):
    """₹1100 that PhonePe has, and we have not heard of."""
    payment = start_payment(alice, cart_id=cart.pk).payment
    phonepe.decide(payment.attempts.get().merchant_order_id)
    return payment


def run(command, *arguments):
    """What it says, and the code it ends with."""
    out = io.StringIO()
    try:
        call_command(command, *map(str, arguments), stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0

"""Payments, and their attempts: each order that was opened at PhonePe."""

from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Upper

from accounts.models import ApiKey
from accounts.phones import PhoneField
from booking.models import Booking, Checkout
from booking.services import longest_page_life
from core.clocks import SKEW, is_running
from core.expressions import LastFour
from core.texts import name_or_email, plain_line
from payment.phonepe.credentials import Identity
from payment.phonepe.enums import Channel, Generation
from payment.phonepe.response_codes import MEANINGS
from payment.states import AttemptState, FrontendGeneration, Fulfilment, PaymentState

PHONEPE = "PHONEPE"  # how money comes when staff have not taken it
MAX_ATTEMPTS = 3  # orders of one payment at PhonePe; money that staff take may be one more
OPEN_ATTEMPT = (AttemptState.CREATED, AttemptState.UNKNOWN, AttemptState.PENDING)

# Read as "may become KEY from any of VALUES". The row count of the UPDATE shows which caller moved the row.
PAYMENT_FROM = {
    PaymentState.SUCCESS: (PaymentState.PENDING, PaymentState.FAILED, PaymentState.CANCELLED),
    PaymentState.FAILED: (PaymentState.PENDING,),
    PaymentState.CANCELLED: (PaymentState.PENDING,),
}
FULFILMENT_FROM = {
    Fulfilment.NONE: (Fulfilment.HELD_FOR_STAFF,),
    Fulfilment.DUE: (Fulfilment.NONE, Fulfilment.HELD_FOR_STAFF),
    Fulfilment.BOOKED: (Fulfilment.DUE, Fulfilment.OFFERED),
    Fulfilment.DONATION: (Fulfilment.DUE,),
    Fulfilment.OFFERED: (Fulfilment.DUE,),
    Fulfilment.REFUND_DUE: (Fulfilment.DUE, Fulfilment.OFFERED),
    Fulfilment.REFUNDED: (Fulfilment.REFUND_DUE,),
    Fulfilment.HELD_FOR_STAFF: (Fulfilment.NONE,),
}
# Money that came, and is not yet where it belongs.
UNFINISHED = (Fulfilment.DUE, Fulfilment.OFFERED, Fulfilment.REFUND_DUE, Fulfilment.HELD_FOR_STAFF)
ATTEMPT_FROM = {
    AttemptState.UNKNOWN: (AttemptState.CREATED,),
    AttemptState.PENDING: (AttemptState.CREATED, AttemptState.UNKNOWN),
    AttemptState.FAILED: OPEN_ATTEMPT,
    AttemptState.EXPIRED: OPEN_ATTEMPT,
    AttemptState.COMPLETED: (*OPEN_ATTEMPT, AttemptState.FAILED, AttemptState.EXPIRED),
}

AFTER_DEADLINE = timedelta(seconds=5)
LONGEST_CALL = timedelta(seconds=settings.LONGEST_DEADLINE) + AFTER_DEADLINE  # under any PHONEPE_DEADLINE

Row = TypeVar("Row", bound=models.Model)


def unknown_code() -> Q:
    """Rows with a code of PhonePe that we do not know: rare, and counted from an index.

    PhonePe's codes have no lower-case letters. Our own rules, which end an attempt too, have no others.
    """
    is_ours = Q(code=Lower("code")) & ~Q(code=Upper("code"))
    return ~Q(code__in=sorted({"", *MEANINGS})) & ~is_ours


def longest_call() -> timedelta:
    """How long one request may call PhonePe for an attempt. Not scaled in tests, where calls take as long."""
    return timedelta(seconds=settings.PHONEPE_DEADLINE) + AFTER_DEADLINE


def advance(row: Row, column: str, to: str, sources: tuple[str, ...], values: dict[str, Any]) -> bool:
    """Moves `column` of this row to `to` if its state allows that. True when this call moved it."""
    found = type(row)._default_manager.filter(pk=row.pk, **{f"{column}__in": sources})
    if not found.update(**{column: to}, **values):
        return False
    for name, value in {column: to, **values}.items():
        setattr(row, name, value)
    return True


class Payment(models.Model):
    """What a customer owes for one Checkout, or a donation of a guest (no checkout). Decided once."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="payments"
    )
    checkout = models.OneToOneField(Checkout, models.PROTECT, null=True, blank=True, related_name="payment")
    reference = models.CharField(max_length=32, unique=True, help_text="transaction_id on the wire")
    amount_paise = models.PositiveBigIntegerField()
    method = models.CharField(
        max_length=16, default=PHONEPE, help_text="PHONEPE, or CASH or TRANSFER to our staff"
    )
    state = models.CharField(max_length=16, choices=PaymentState, default=PaymentState.PENDING)
    fulfilment = models.CharField(max_length=16, choices=Fulfilment, default=Fulfilment.NONE, blank=True)
    held_because = models.CharField(max_length=64, blank=True, help_text="why staff must look at it")
    fulfil_at = models.DateTimeField(
        null=True, blank=True, help_text="when the worker tries to fulfil it again"
    )
    came_late = models.BooleanField(
        default=False,
        help_text="its cart was free again, or staff accepted it later: compare with other bookings",
    )
    payer_reference = models.CharField(
        max_length=64, blank=True, validators=[name_or_email], help_text="name or mail address of a guest"
    )
    payer_mobile = PhoneField(blank=True)
    api_key = models.ForeignKey(
        ApiKey,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # keys are not deleted, and nobody lists by them
        help_text="of the server that opened it",
    )
    server_reference = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[plain_line],
        help_text="what that server calls it",
    )
    buyer_gstin = models.CharField(
        "GSTIN of the buyer",
        max_length=15,
        blank=True,
        default="",
        db_default="",
        help_text="for the receipt, if they gave one",
    )
    simulated = models.BooleanField(default=False)
    frontend = models.CharField(
        max_length=8, choices=FrontendGeneration, blank=True, help_text="whose routes opened it"
    )
    frontend_url = models.CharField(
        max_length=200,
        blank=True,
        help_text="the address of the shop that opened it, if the settings name it",
    )
    asked_at = models.DateTimeField(null=True, blank=True, help_text="the last status request to PhonePe")
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["fulfil_at"], name="payment_fulfil_due", condition=Q(fulfil_at__isnull=False)
            ),
            # Few rows: monitoring looks at them each minute, and staff choose them in the admin.
            models.Index(fields=["created_at"], name="payment_open", condition=Q(state=PaymentState.PENDING)),
            models.Index(
                fields=["created_at"], name="payment_unfinished", condition=Q(fulfilment__in=UNFINISHED)
            ),
            models.Index(fields=["id"], name="payment_simulated", condition=Q(simulated=True)),
            models.Index(
                fields=["server_reference"],
                name="payment_server_reference",
                condition=~Q(server_reference=""),
            ),
            models.Index(fields=["payer_mobile"], name="payment_payer_mobile", condition=~Q(payer_mobile="")),
            models.Index(LastFour("payer_mobile"), name="payment_last_digits", condition=~Q(payer_mobile="")),
            models.Index(Lower("payer_reference"), name="payment_payer", condition=~Q(payer_reference="")),
        ]
        constraints = [
            models.CheckConstraint(name="payment_is_at_least_one_rupee", condition=Q(amount_paise__gte=100)),
            models.CheckConstraint(
                name="payment_received_money_is_accounted_for",
                condition=~Q(state=PaymentState.SUCCESS) | ~Q(fulfilment=Fulfilment.NONE),
            ),
            models.CheckConstraint(
                name="payment_nothing_is_fulfilled_unpaid",
                condition=Q(state=PaymentState.SUCCESS)
                | Q(fulfilment__in=(Fulfilment.NONE, Fulfilment.HELD_FOR_STAFF)),
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def advance(self, to: PaymentState, **values: Any) -> bool:
        return advance(self, "state", to, PAYMENT_FROM[to], values)

    def turn_into(self, to: Fulfilment, **values: Any) -> bool:
        return advance(self, "fulfilment", to, FULFILMENT_FROM[to], values)

    @property
    def is_open(self) -> bool:
        return self.state == PaymentState.PENDING

    @property
    def booking(self) -> Booking | None:
        """The booking this payment became."""
        return getattr(self.checkout, "booking", None) if self.checkout else None


class PaymentAttempt(models.Model):
    """One order at PhonePe for a payment, polled to its end even when another one was opened."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    merchant_order_id = models.CharField(max_length=34, unique=True)
    state = models.CharField(max_length=16, choices=AttemptState, default=AttemptState.CREATED)
    amount_paise = models.PositiveBigIntegerField()
    received_paise = models.PositiveBigIntegerField(null=True, blank=True)
    paid_at = models.DateTimeField(
        null=True, blank=True, help_text="when its money came: PhonePe's time, else the time of the poll"
    )

    # The identity under which it was opened. Settings may change while it is open; these columns never do.
    by_hand = models.BooleanField(
        default=False,
        db_default=False,
        help_text="staff took the money: PhonePe has no such order, and is never asked about it",
    )
    generation = models.CharField(max_length=2, choices=Generation, blank=True)
    environment = models.CharField(max_length=10)
    merchant = models.CharField(max_length=64)
    simulated = models.BooleanField(default=False)

    # Where the customer pays. They may change as long as PhonePe has given nothing to pay with.
    channel = models.CharField(max_length=12, choices=Channel, default=Channel.PAGE)
    target_app = models.CharField(max_length=100, blank=True, help_text="the UPI app of an intent")
    device_os = models.CharField(max_length=8, blank=True, help_text="ANDROID or IOS, of an intent")

    # What PhonePe gave to pay with: one of the three, by the channel.
    page_url = models.TextField(blank=True)
    order_token = models.TextField(blank=True, help_text="for PhonePe's SDK in an app")
    intent_url = models.TextField(blank=True, help_text="opens a UPI app")
    provider_order_id = models.CharField(max_length=64, blank=True)
    provider_transaction_id = models.CharField(max_length=64, blank=True)
    utr = models.CharField(max_length=64, blank=True, help_text="the bank's reference")
    code = models.CharField(max_length=64, blank=True, help_text="PhonePe's last code about it")

    sent_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when the last request to open it may have reached PhonePe; empty: never sent",
    )
    expires_at = models.DateTimeField()
    call_lease_until = models.DateTimeField(null=True, blank=True, help_text="a request is calling PhonePe")
    not_found_answers = models.PositiveSmallIntegerField(default=0)

    next_check_at = models.DateTimeField(null=True, blank=True)
    checks = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["payment_id", "number"]
        indexes = [
            models.Index(
                fields=["next_check_at"], name="attempt_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(fields=["expires_at"], name="attempt_open", condition=Q(state__in=OPEN_ATTEMPT)),
            models.Index(
                fields=["decided_at"], name="attempt_paid", condition=Q(state=AttemptState.COMPLETED)
            ),
            models.Index(fields=["created_at"], name="attempt_unknown_code", condition=unknown_code()),
            models.Index(fields=["id"], name="attempt_simulated", condition=Q(simulated=True)),
            # What staff are told on the phone: looked up by its beginning.
            *(
                models.Index(
                    fields=[column],
                    name=name,
                    condition=~Q(**{column: ""}),
                    opclasses=["varchar_pattern_ops"],
                )
                for column, name in (
                    ("provider_order_id", "attempt_provider_order"),
                    ("provider_transaction_id", "attempt_transaction"),
                    ("utr", "attempt_utr"),
                )
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["payment", "number"], name="attempt_number_once_per_payment"),
            models.CheckConstraint(
                name="attempt_at_most_three",
                condition=Q(number__range=(1, MAX_ATTEMPTS)) | Q(number=MAX_ATTEMPTS + 1, by_hand=True),
            ),
            models.CheckConstraint(
                name="attempt_completed_says_how_much",
                condition=~Q(state=AttemptState.COMPLETED) | Q(received_paise__isnull=False),
            ),
            models.CheckConstraint(
                name="attempt_is_paid_in_its_channel",
                condition=Q(channel=Channel.PAGE, order_token="", intent_url="")
                | Q(channel=Channel.SDK, page_url="", intent_url="")
                | Q(channel=Channel.UPI_INTENT, page_url="", order_token=""),
            ),
            models.CheckConstraint(
                name="attempt_by_hand_is_of_no_merchant",
                condition=Q(by_hand=False) & ~Q(generation="")
                | Q(by_hand=True, generation="", environment="", merchant="", sent_at=None)
                & Q(state__in=(AttemptState.CREATED, AttemptState.COMPLETED))
                & Q(page_url="", order_token="", intent_url="", call_lease_until=None),
            ),
            models.CheckConstraint(
                name="attempt_open_is_asked_about",
                condition=~Q(state__in=OPEN_ATTEMPT) | Q(next_check_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.merchant_order_id

    def advance(self, to: AttemptState, **values: Any) -> bool:
        return advance(self, "state", to, ATTEMPT_FROM[to], values)

    @property
    def identity(self) -> Identity:
        """The identity under which it was opened, whatever the settings are now."""
        return Identity(self.generation, self.environment, self.merchant, self.simulated)

    @property
    def was_opened(self) -> bool:
        """PhonePe gave a page, an order token or a UPI link: somebody may have it, and may pay with it."""
        return bool(self.page_url or self.order_token or self.intent_url)

    def has_open_page(self, now: datetime) -> bool:
        """It can be paid now: on its page, or with what PhonePe gave for its channel."""
        return self.state == AttemptState.PENDING and self.was_opened and not self.is_past_its_page(now)

    def is_payable_though_given_up(self, now: datetime) -> bool:
        """The customer gave it up, which PhonePe is not told: what they were given is good until it expires."""
        return self.state == AttemptState.EXPIRED and self.was_opened and not self.is_past_its_page(now)

    def is_past_its_page(self, now: datetime) -> bool:
        """The time to pay is over, or a wrong clock has written it."""
        return now >= self.expires_at or self.is_of_a_wrong_clock(now)

    def is_of_a_wrong_clock(self, now: datetime) -> bool:
        """Its page was opened in the future, or ends later than any page can. PHONEPE_EXPIRE_AFTER is no measure: it
        may have been longer then. An end before `sent_at` was written by the corrected clock."""
        written_at = self.sent_at or self.created_at
        opened_ahead = self.expires_at > written_at > now + SKEW
        return opened_ahead or self.expires_at > now + longest_page_life() + SKEW

    def is_being_called(self, now: datetime) -> bool:
        return is_running(self.call_lease_until, now, LONGEST_CALL)

"""Free slots for a customer whose slot is gone: the money came late, or the temple has called the slot off."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from booking.models import Slot
from payment.models.payments import Payment
from payment.models.refunds import Refund


class Offer(models.Model):
    """The choice between the nearest free slots and the money, until `expires_at`. Free slots are looked up when the
    customer opens the page: none is reserved before. At most one offer is open for a payment."""

    class Because(models.TextChoices):
        LATE = "LATE", _("the money came too late")
        CALLED_OFF = "CALLED_OFF", _("the temple has called the time off")

    class State(models.TextChoices):
        OPEN = "OPEN", _("Open")
        TAKEN = "TAKEN", _("Taken")
        CLOSED = "CLOSED", _("Closed")

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="offers")
    because = models.CharField(max_length=12, choices=Because, default=Because.LATE)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    slot = models.ForeignKey(
        Slot, models.PROTECT, null=True, blank=True, related_name="+", help_text="the chosen slot"
    )
    expires_at = models.DateTimeField()
    called_off_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="who closed the time, and so causes the refund if nothing is chosen",
    )
    requested_refund = models.ForeignKey(
        Refund,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="nothing was chosen in time, and a second person must approve the refund",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["expires_at"], name="offer_to_close", condition=Q(state="OPEN")),
        ]
        constraints = [
            models.UniqueConstraint(
                name="offer_one_open_per_payment", fields=["payment"], condition=Q(state="OPEN")
            ),
            models.CheckConstraint(
                name="offer_taken_names_a_place", condition=~Q(state="TAKEN") | Q(slot__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return gettext("Offer for {number} ({state})").format(
            number=self.payment_id, state=self.get_state_display()
        )

"""A time or a day that the temple closes, and what becomes of each booking of it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from booking.models import Booking, Slot
from core.texts import plain_line
from payment.models.payments import Payment


class Closure(models.Model):
    """One decision about many bookings. `form` is that of the page: the same form posted twice is one closure."""

    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    starts_from = models.DateTimeField(help_text="the first start that is closed")
    starts_before = models.DateTimeField(help_text="the first start that is not closed any more")
    reason = models.CharField(max_length=150, validators=[plain_line], help_text="as the customers read it")
    form = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Closure {self.pk}"


class ClosureItem(models.Model):
    """One booking of it. The worker carries it out once, in one transaction with what it does to the booking."""

    class Then(models.TextChoices):
        MOVE = "MOVE", _("move it")
        OFFER = "OFFER", _("let its customer choose")
        REFUND = "REFUND", _("cancel it and send all of the money back")

    class Outcome(models.TextChoices):
        WAITING = "", _("not carried out yet")
        MOVED = "moved", _("Moved")
        OFFERED = "offered", _("Offered")
        REFUNDED = "refunded", _("Refunded")
        AWAITING_APPROVAL = "awaiting_approval", _("as it was: a second person must approve its refund")
        NO_ROOM = "no_room", _("as it was: no free time")
        ENDED = "ended", _("as it was: moved, cancelled or completed meanwhile")
        REFUSED = "refused", _("as it was: see why")

    closure = models.ForeignKey(Closure, models.CASCADE, related_name="items")
    booking = models.ForeignKey(Booking, models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="+")
    starts_at = models.DateTimeField(help_text="its time when the closure was decided")
    then = models.CharField(max_length=8, choices=Then)
    slot = models.ForeignKey(
        Slot, models.PROTECT, null=True, blank=True, related_name="+", help_text="moved to"
    )
    outcome = models.CharField(max_length=20, choices=Outcome, default=Outcome.WAITING, blank=True)
    detail = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["closure", "booking"], name="closure_names_a_booking_once"),
            models.CheckConstraint(
                name="closure_moves_to_a_slot", condition=~Q(then="MOVE") | Q(slot__isnull=False)
            ),
            models.CheckConstraint(
                name="closure_item_done_says_when",
                condition=Q(outcome="", done_at=None) | ~Q(outcome="") & Q(done_at__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["id"], name="closure_item_waits", condition=Q(outcome=""))]

    def __str__(self) -> str:
        return f"{self.then} {self.booking_id} ({self.outcome or 'waits'})"

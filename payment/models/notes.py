"""What staff write down about a case, for each other: the customer never reads it."""

import uuid

from django.conf import settings
from django.db import models

from core.texts import plain_text
from payment.models.payments import Payment


class CaseNote(models.Model):
    """Added to, never changed. `form` is that of the page: the same form posted twice is one note."""

    payment = models.ForeignKey(Payment, models.CASCADE, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    text = models.CharField(max_length=1_000, validators=[plain_text])
    form = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Note {self.pk} on {self.payment_id}"

"""What donors say about themselves, beside their payment."""

from django.db import models

from core.texts import plain_line, visible_line
from payment.models.payments import Payment


class Donation(models.Model):
    """Of a payment without a cart, from the donation page. The name is the payment's `payer_reference`."""

    payment = models.OneToOneField(Payment, models.PROTECT, related_name="donation")
    email = models.EmailField(blank=True, validators=[visible_line])
    language = models.CharField(max_length=2, default="en")
    purpose = models.CharField(max_length=100, blank=True, validators=[plain_line])
    purpose_hi = models.CharField(max_length=100, blank=True, validators=[plain_line])
    address = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        validators=[plain_line],
        help_text="with a PAN only: Form 10BD wants both",
    )
    pan = models.TextField(blank=True, editable=False, help_text="encrypted, with the payment that it is of")

    class Meta:
        permissions = [("export_pan", "Can take the PANs of donors along")]
        indexes = [models.Index(fields=["email"], name="donation_email")]

    def __str__(self) -> str:
        return f"donation {self.payment_id}"

"""The states of payments, attempts and refunds. The transitions between them are in `payment.models`."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class PaymentState(models.TextChoices):
    PENDING = "PENDING", _("Pending")
    SUCCESS = "SUCCESS", _("Success")
    FAILED = "FAILED", _("Failed")
    CANCELLED = "CANCELLED", _("Cancelled")


class Fulfilment(models.TextChoices):
    """What the received money turned into."""

    NONE = "", _("nothing received yet")
    DUE = "DUE", _("Due")
    BOOKED = "BOOKED", _("Booked")
    DONATION = "GIFT", _("Donation")  # stored as it was first called
    OFFERED = "OFFERED", _("Offered")
    REFUND_DUE = "REFUND_DUE", _("Refund Due")
    REFUNDED = "REFUNDED", _("Refunded")
    HELD_FOR_STAFF = "HELD_FOR_STAFF", _("Held For Staff")


class FrontendGeneration(models.TextChoices):
    """Whose routes opened a payment: which pages the site has that the customer comes back to."""

    JULY_2025 = "2025"
    YEAR_2026 = "2026"
    SHOP = "SHOP", "our own pages"


class AttemptState(models.TextChoices):
    """One order at PhonePe. CREATED: it has not reached PhonePe, as far as we know. UNKNOWN: it may have."""

    CREATED = "CREATED", _("Created")
    UNKNOWN = "UNKNOWN", _("Unknown")
    PENDING = "PENDING", _("Pending")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")
    EXPIRED = "EXPIRED", _("Expired")


class RefundState(models.TextChoices):
    WAITING = "WAITING", _("Waiting")
    CREATED = "CREATED", _("Created")
    UNKNOWN = "UNKNOWN", _("Unknown")
    PENDING = "PENDING", _("Pending")
    CONFIRMED = "CONFIRMED", _("Confirmed")
    COMPLETED = "COMPLETED", _("Completed")
    FAILED = "FAILED", _("Failed")

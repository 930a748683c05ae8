"""The states of payments, attempts and refunds. The transitions between them are in `payment.models`."""

from django.db import models


class PaymentState(models.TextChoices):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Fulfilment(models.TextChoices):
    """What the received money turned into."""

    NONE = "", "nothing received yet"
    DUE = "DUE"
    BOOKED = "BOOKED"
    DONATION = "GIFT", "Donation"  # stored as it was first called
    OFFERED = "OFFERED"
    REFUND_DUE = "REFUND_DUE"
    REFUNDED = "REFUNDED"
    HELD_FOR_STAFF = "HELD_FOR_STAFF"


class FrontendGeneration(models.TextChoices):
    """Whose routes opened a payment: which pages the site has that the customer comes back to."""

    JULY_2025 = "2025"
    YEAR_2026 = "2026"
    SHOP = "SHOP", "our own pages"


class AttemptState(models.TextChoices):
    """One order at PhonePe. CREATED: it has not reached PhonePe, as far as we know. UNKNOWN: it may have."""

    CREATED = "CREATED"
    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class RefundState(models.TextChoices):
    WAITING = "WAITING"
    CREATED = "CREATED"
    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"

"""Customers who wanted to pay while PhonePe did not answer, and wait to hear that it works again."""

from django.conf import settings
from django.db import models


class PayingWatch(models.Model):
    """Deleted when its customer was told, or after two days."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    next_check_at = models.DateTimeField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "paying watches"

    def __str__(self) -> str:
        return f"Paying watch {self.pk}"

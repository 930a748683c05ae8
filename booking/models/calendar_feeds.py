"""The row behind the secret address at which a person's calendar reads all of their bookings."""

from django.conf import settings
from django.db import models


class CalendarFeed(models.Model):
    """One for each person. Of its secret only the digest is stored: nobody can read it here, and a new one ends it.

    It ends with the logins of its person, as `User.session_epoch` counts them: nobody else reads on.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_feed"
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    session_epoch = models.PositiveIntegerField(default=0, editable=False, help_text="when it was opened")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"Calendar feed {self.pk}"

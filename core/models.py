from django.db import models


class Counter(models.Model):
    """How often something was done in a span of time: requests (core.throttling), or guesses (core.guesses).

    Times are seconds since 1970. A row whose span has ended counts as absent, and the worker deletes it.
    """

    key = models.CharField(max_length=64, primary_key=True)  # HMAC of scope and subject: no addresses of mail
    scope = models.CharField(max_length=30)
    count = models.PositiveIntegerField()
    started = models.FloatField()
    ends = models.FloatField(db_index=True)
    # Of guesses only:
    refused = models.PositiveIntegerField(default=0)
    free_at = models.FloatField(default=0)
    admitted = models.BigIntegerField(default=0)  # random: tells the one call that was let through last
    is_alarming = models.BooleanField(default=False)
    address = models.CharField(max_length=45, blank=True)  # of the last caller

    class Meta:
        indexes = (
            models.Index(fields=["scope"], condition=models.Q(is_alarming=True), name="alarming_counters"),
        )

    def __str__(self) -> str:
        return f"{self.scope} {self.key[:12]}: {self.count}"

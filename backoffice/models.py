"""Who changed what: a row for each change of the catalogue, of prices and promo codes, of opening hours and closed
days, and of what accounts may do.

Written by django-simple-history when a row is saved; services that count (uses of a promo code) write no history.
`QuerySet.update` and `bulk_create` save no row: services that change such rows do not use them on these columns.
"""

from typing import Any

from django.db import models
from simple_history import register
from simple_history.models import HistoricalRecords

from accounts.models import User
from booking.models import (
    ClosedPeriod,
    OpeningHours,
    Package,
    PackagePrice,
    PromoCode,
    PujaCategory,
    PujaService,
)
from core.texts import plain_line

MOMENTS = ["created_at", "updated_at"]
COUNTED = ["reserved_count", "used_count", "summed_count", "summed_discount_paise", "summed_total_paise"]


class HistoryOfPeople(HistoricalRecords):
    """Of what staff decide about accounts, on whichever page, route or command; who registers or corrects their own
    name leaves no row."""

    def post_save(self, instance: Any, created: bool, using: str | None = None, **kwargs: Any) -> None:
        columns = kwargs.get("update_fields")
        if created:
            is_decision = not instance.is_customer
        elif columns is None:  # all of them, most of which are as before
            is_decision = _is_news(instance)
        else:
            is_decision = not User.DECIDED_BY_STAFF.isdisjoint(columns)
        if is_decision:
            super().post_save(instance, created, using, **kwargs)

    def post_delete(self, instance: Any, using: str | None = None, **kwargs: Any) -> None:
        """By staff on a page. Whoever asked for their erasure leaves nothing."""
        if self.get_history_user(instance) is not None:
            super().post_delete(instance, using, **kwargs)


def _is_news(person: User) -> bool:
    known = person.history.order_by("-history_id").values(*User.DECIDED_BY_STAFF).first()
    if known is None:
        return not (person.is_customer and person.is_active)
    return bool(known != {name: getattr(person, name) for name in User.DECIDED_BY_STAFF})


register(PujaCategory, app="backoffice", excluded_fields=MOMENTS)
register(PujaService, app="backoffice", excluded_fields=MOMENTS)
register(Package, app="backoffice", excluded_fields=MOMENTS)
register(PackagePrice, app="backoffice", excluded_fields=["created_at"])
register(PromoCode, app="backoffice", excluded_fields=[*MOMENTS, *COUNTED])
register(OpeningHours, app="backoffice")
register(ClosedPeriod, app="backoffice", excluded_fields=["created_by", "created_at"])
register(
    User,
    app="backoffice",
    records_class=HistoryOfPeople,
    excluded_fields=[
        field.name for field in User._meta.concrete_fields if field.name not in User.DECIDED_BY_STAFF
    ],
)


class SavedFilter(models.Model):
    """A person's own choice of filters of a list, under their name for it. What was searched for is not kept."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    table = models.CharField(max_length=60)
    name = models.CharField(max_length=40, validators=[plain_line])
    query = models.CharField(max_length=500)

    class Meta:
        ordering = ("name", "id")
        default_permissions = ()  # each has their own
        constraints = [
            models.UniqueConstraint(fields=["user", "table", "name"], name="saved_filter_name_once")
        ]

    def __str__(self) -> str:
        return self.name

"""Who changed what: a row for each change of the catalogue, of prices and promo codes, and of what accounts may do.

Written by django-simple-history when a row is saved; services that count (uses of a promo code) write no history.
"""

from typing import Any

from simple_history import register
from simple_history.models import HistoricalRecords

from accounts.models import User
from booking.models import Package, PackagePrice, PromoCode, PujaCategory, PujaService

MOMENTS = ["created_at", "updated_at"]
COUNTED = ["reserved_count", "used_count", "summed_count", "summed_discount_paise", "summed_total_paise"]


class HistoryOfPeople(HistoricalRecords):
    """Of what staff do to accounts; who registers or corrects their own name leaves no row."""

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        request = getattr(self.context, "request", None)
        if request is not None and "/admin/" in request.path_info and request.user.is_authenticated:
            super().create_historical_record(instance, history_type, using)


register(PujaCategory, app="backoffice", excluded_fields=MOMENTS)
register(PujaService, app="backoffice", excluded_fields=MOMENTS)
register(Package, app="backoffice", excluded_fields=MOMENTS)
register(PackagePrice, app="backoffice", excluded_fields=["created_at"])
register(PromoCode, app="backoffice", excluded_fields=[*MOMENTS, *COUNTED])
register(
    User,
    app="backoffice",
    records_class=HistoryOfPeople,
    excluded_fields=[
        field.name for field in User._meta.concrete_fields if field.name not in User.DECIDED_BY_STAFF
    ],
)

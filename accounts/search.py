"""How staff find people by telephone."""

from collections.abc import Iterable

from django.db.models import Q
from django.db.models.functions import Length
from django.http import HttpRequest

from accounts.phones import PhoneField, digits_to_search, format_phone
from core.long_lists import LongList

LENGTH_OF_AN_INDIAN_NUMBER = len("+919876543210")

PhoneField.register_lookup(Length)


class PhoneSearch(LongList):
    """For a ModelAdmin: the search also finds numbers that were typed in another spelling, or in part."""

    phone_fields: tuple[str, ...] = ("phone",)

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """What could not be read as a number is kept as text, and found by that text."""
        fields = super().get_search_fields(request)  # type: ignore[misc]
        return tuple(dict.fromkeys((*fields, *self.phone_fields)))

    def find_also(self, search_term: str) -> Iterable[tuple[str, Q]]:
        if digits := digits_to_search(search_term):
            for path in self.phone_fields:
                yield from ((path, condition) for condition in _has_number(path.rpartition("__")[2], digits))


def _has_number(column: str, digits: str) -> tuple[Q, Q]:
    """Kept as E.164, or somewhere in text that could not be read, whatever stands between the digits."""
    is_whole = digits.startswith("+")
    as_e164 = Q(**{column if is_whole else f"{column}__icontains": digits})
    spelled = "[^0-9]*".join((format_phone(digits) or "").lstrip("+"))
    # A pattern is slow: not for the many rows that hold one E.164 number.
    is_text = ~Q(**{f"{column}__startswith": "+"}) | Q(
        **{f"{column}__length__gt": LENGTH_OF_AN_INDIAN_NUMBER}
    )
    return as_e164, is_text & Q(**{f"{column}__regex": spelled})

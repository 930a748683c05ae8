"""Rows whose routes are not there yet."""

REASON = "the route is not there yet"
NAMES: dict[str, tuple[str, ...]] = {}
AWAITED = {(era, name): REASON for era, names in NAMES.items() for name in names}

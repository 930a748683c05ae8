"""Rows whose routes are not there yet."""

REASON = "the route is not there yet"
NAMES: dict[str, tuple[str, ...]] = {
    "today": (
        "/user/profile: GET auth/profile/",
        "/user/profile: PATCH auth/profile/",
        "/user/profile: PATCH auth/profile/picture/ as multipart",
        "/user/profile: PATCH auth/profile/picture/ with a text file",
        "/user/profile: PATCH auth/pancard/",
        "/user/profile: PATCH auth/pancard/ with a wrong number",
    ),
}
AWAITED = {(era, name): REASON for era, names in NAMES.items() for name in names}

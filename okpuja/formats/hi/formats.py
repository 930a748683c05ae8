"""How Django writes moments in Hindi in the tables of the admin. Its own form reads the same at 1 am and at 1 pm."""

DATE_FORMAT = "j F Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j F Y, H:i"

"""How Django writes moments in English in the tables of the admin: as core/dates.py does on all other pages."""

DATE_FORMAT = "j F Y"
TIME_FORMAT = "g:i A"
DATETIME_FORMAT = "j F Y, g:i A"

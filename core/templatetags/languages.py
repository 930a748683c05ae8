"""The filters of templates for what is written in two languages.

Dates: Django's own filters take their months from another catalogue.
"""

from functools import partial

from django import template

from core.dates import spell_date, spell_moment, spell_time
from core.language import localized

register = template.Library()
register.filter("spell_day", partial(spell_date, weekday=True))
register.filter("spell_date", spell_date)
register.filter("spell_time", spell_time)
register.filter("spell_moment", spell_moment)
register.filter("localized", localized)

from django.urls import path

from backoffice.attention import NEEDS
from backoffice.views import people, search, slots, today

app_name = "desk"
urlpatterns = [
    path("", today.today, name="today"),
    path("search/", search.results, name="search"),
    path("people/<int:pk>/", people.person, name="person"),
    path("slots/", slots.grid, name="slots"),
    path("slots/add/", slots.series, name="slot-series"),
    path("slots/closed/", slots.closed_days, name="closed-days"),
    path("slots/closed/file/", slots.closed_days_file, name="closed-days-file"),
    path("slots/closed/<int:period_id>/open/", slots.open_days, name="open-days"),
    path("slots/hours/", slots.hours, name="opening-hours"),
    path("tables/", today.tables, name="tables"),
    *(path(f"needs/{need.name}/", today.needs(need), name=f"needs-{need.name}") for need in NEEDS),
]

from django.urls import path

from backoffice.attention import NEEDS
from backoffice.views import people, search, today

app_name = "desk"
urlpatterns = [
    path("", today.today, name="today"),
    path("search/", search.results, name="search"),
    path("people/<int:pk>/", people.person, name="person"),
    path("tables/", today.tables, name="tables"),
    *(path(f"needs/{need.name}/", today.needs(need), name=f"needs-{need.name}") for need in NEEDS),
]

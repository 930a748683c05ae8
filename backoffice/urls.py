from django.urls import path

from backoffice.attention import NEEDS
from backoffice.views import today

app_name = "desk"
urlpatterns = [
    path("", today.today, name="today"),
    path("tables/", today.tables, name="tables"),
    *(path(f"needs/{need.name}/", today.needs(need), name=f"needs-{need.name}") for need in NEEDS),
]

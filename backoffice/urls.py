from django.urls import path

from backoffice.views import today

app_name = "desk"
urlpatterns = [
    path("", today.today, name="today"),
    path("tables/", today.tables, name="tables"),
]

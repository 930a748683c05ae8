from django.urls import path

from simulator import overview, pages, views

app_name = "simulator"
urlpatterns = [
    path("", overview.overview, name="overview"),
    path("sign-in/", overview.sign_in, name="sign_in"),
    path("apis/<path:rest>", views.api),
    path("control/openapi.json", views.description),
    path("control/<path:rest>", views.control),
    path("transact/<str:token>/", pages.page, name="page"),
]

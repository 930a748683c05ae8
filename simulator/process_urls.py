"""URLs of the simulator as its own process."""

from django.urls import include, path

from simulator.overview import overview

urlpatterns = [path("simulator", overview), path("simulator/", include("simulator.urls"))]

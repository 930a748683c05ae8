"""What a simulator that runs in a process of its own serves: itself and nothing else."""

from django.urls import include, path

from simulator.overview import overview

urlpatterns = [path("simulator", overview), path("simulator/", include("simulator.urls"))]

"""What a simulator that runs in a process of its own serves: itself and nothing else."""

from django.urls import include, path

urlpatterns = [path("simulator/", include("simulator.urls"))]

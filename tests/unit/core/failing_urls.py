"""A URL configuration for views that fail: see test_middleware.py."""

from django.urls import URLPattern

from okpuja.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500"]

urlpatterns: list[URLPattern] = []

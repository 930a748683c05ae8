from django.urls import path

from diagnostics.health import healthz, readyz
from diagnostics.views import DebugConnectivityView, OpsTokenView

urlpatterns = [
    path(
        "api/payments/payments/debug-connectivity/",
        DebugConnectivityView.as_view(),
        name="debug-connectivity",
    ),
    path(
        "api/payments/payments/debug-connectivity/door/",
        OpsTokenView.as_view(),
        name="debug-connectivity-door",
    ),
    path("healthz", healthz),
    path("readyz", readyz),
]

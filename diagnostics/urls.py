from django.urls import path
from rest_framework.routers import SimpleRouter

from diagnostics.views import DiagnosisViewSet, healthz, readyz

router = SimpleRouter()
router.register("api/payments/payments", DiagnosisViewSet, basename="debug")

urlpatterns = [*router.urls, path("healthz", healthz), path("readyz", readyz)]

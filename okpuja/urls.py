from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path(
        "", include("payment.urls")
    ),  # first: it answers two of booking's routes, which need to know about money
    path("api/auth/", include("accounts.urls")),
    path("api/", include("booking.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("simulator/", include("simulator.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "okpuja.errors.bad_request"
handler403 = "okpuja.errors.permission_denied"
handler404 = "okpuja.errors.page_not_found"
handler500 = "okpuja.errors.server_error"

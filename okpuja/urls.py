from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.admin_login import admin_login, admin_password_change
from core.brand_views import BrandColoursView, BrandLogoView
from okpuja.metrics import MetricsView


class SchemaView(SpectacularAPIView):
    throttle_scope = "schema"  # it takes a second of this server's time


urlpatterns = [
    path("", include("diagnostics.urls")),
    path("metrics", MetricsView.as_view(), name="metrics"),
    # Before booking: payment answers two of booking's routes, which need to know about money.
    path("", include("payment.urls")),
    path("", include("storefront.urls")),
    path("brand/colours.css", BrandColoursView.as_view(), name="brand-colours"),
    path("brand/logo", BrandLogoView.as_view(), name="brand-logo"),
    path("api/auth/", include("accounts.urls")),
    path("api/", include("booking.urls")),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    path(
        "api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", metadata_class=None), name="docs"
    ),
    path("simulator/", include("simulator.urls")),
    path("admin/login/", admin_login),
    path("admin/password_change/", admin_password_change),
    path("admin/desk/", include("backoffice.urls")),
    path("admin/", admin.site.urls),
]

handler400 = "core.errors.bad_request"
handler403 = "core.errors.permission_denied"
handler404 = "storefront.views.page.not_found"
handler500 = "storefront.views.page.server_error"

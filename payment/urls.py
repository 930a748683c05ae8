from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from payment.views.carts import BookingStatusView, CartCleanupView
from payment.views.diagnosis import DebugConnectivityView
from payment.views.pages import ReturnView, StatusPageView
from payment.views.payments import PaymentViewSet
from payment.views.webhooks import PhonePeWebhookView

router = SimpleRouter()
router.register("payments", PaymentViewSet, basename="payment")

# Mounted before booking's routes: these two need to know about money.
urlpatterns = [
    re_path(
        r"^api/cart/carts/(?P<pk>\d{1,18})/cleanup_old_payments/$",
        CartCleanupView.as_view(),
        name="cart-cleanup",
    ),
    re_path(
        r"^api/booking/bookings/(?P<pk>\d{1,18})/status/$", BookingStatusView.as_view(), name="booking-status"
    ),
    path("api/payments/webhook/phonepe/", PhonePeWebhookView.as_view(), name="payment-webhook"),
    path("api/payments/return/<str:token>/", ReturnView.as_view(), name="payment-return"),
    path(
        "api/payments/payments/debug-connectivity/",
        DebugConnectivityView.as_view(),
        name="debug-connectivity",
    ),
    path("api/payments/", include(router.urls)),
    path("pay/<str:token>/", StatusPageView.as_view(), name="payment-status-page"),
]

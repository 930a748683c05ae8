from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from payment.views.carts import BookingStatusView, CartCleanupView
from payment.views.offers import OfferPageView, OfferView
from payment.views.pages import ReturnView, StatusPageView
from payment.views.payments import PaymentViewSet
from payment.views.receipts import PaymentReceiptView
from payment.views.refunds import (
    PaymentRefundsView,
    PaymentRefundView,
    PaymentResolutionView,
    RefundApprovalView,
    RefundWithdrawalView,
)
from payment.views.slot_closure import SlotClosingView
from payment.views.webhooks import PhonePeWebhookView

ID = r"(?P<pk>\d{1,18})"
router = SimpleRouter()
router.register("payments", PaymentViewSet, basename="payment")

# Mounted before booking's routes: these two need to know about money.
urlpatterns = [
    re_path(
        rf"^api/cart/carts/{ID}/cleanup_old_payments/$",
        CartCleanupView.as_view(),
        name="cart-cleanup",
    ),
    re_path(rf"^api/booking/bookings/{ID}/status/$", BookingStatusView.as_view(), name="booking-status"),
    re_path(rf"^api/puja/slots/{ID}/close/$", SlotClosingView.as_view(), name="slot-close"),
    path("api/payments/webhook/phonepe/", PhonePeWebhookView.as_view(), name="payment-webhook"),
    path("api/payments/return/<str:token>/", ReturnView.as_view(), name="payment-return"),
    re_path(rf"^api/payments/payments/{ID}/refund/$", PaymentRefundView.as_view(), name="payment-refund"),
    re_path(rf"^api/payments/payments/{ID}/refunds/$", PaymentRefundsView.as_view(), name="payment-refunds"),
    re_path(
        rf"^api/payments/payments/{ID}/resolve/$", PaymentResolutionView.as_view(), name="payment-resolve"
    ),
    path("api/payments/offers/<str:token>/", OfferView.as_view(), name="payment-offer"),
    re_path(rf"^api/payments/refunds/{ID}/approve/$", RefundApprovalView.as_view(), name="refund-approve"),
    re_path(
        rf"^api/payments/refunds/{ID}/withdraw/$", RefundWithdrawalView.as_view(), name="refund-withdraw"
    ),
    re_path(rf"^api/payments/payments/{ID}/receipt/$", PaymentReceiptView.as_view(), name="payment-receipt"),
    path("api/payments/", include(router.urls)),
    path("offer/<str:token>/", OfferPageView.as_view(), name="payment-offer-page"),
    path("pay/<str:token>/", StatusPageView.as_view(), name="payment-status-page"),
]

from django.urls import path
from rest_framework.routers import SimpleRouter

from payment.views.booking_changes import BookingChangePageView, BookingChangeViewSet
from payment.views.bookings import BookingViewSet
from payment.views.calendars import (
    BookingCalendarFileView,
    CalendarFeedFileView,
    CalendarFeedViewSet,
    PriestFeedFileView,
)
from payment.views.carts import CartPaymentViewSet, SlotPaymentViewSet
from payment.views.desk_bookings import (
    AssignableView,
    DeskBookingViewSet,
    DeskDashboardView,
    DeskReportsView,
    EmployeesView,
)
from payment.views.frontend_2026 import Frontend2026ViewSet
from payment.views.offers import OfferPageView, OfferViewSet
from payment.views.pages import DonationReceiptView, PayLinkView, ReturnView, StatusPageView
from payment.views.paying import PayingViewSet
from payment.views.payments import PaymentViewSet
from payment.views.promo_mails import SendPromosView
from payment.views.refunds import RefundViewSet
from payment.views.server import (
    ServerBookingViewSet,
    ServerEndpointViewSet,
    ServerEventViewSet,
    ServerPaymentViewSet,
)
from payment.views.webhooks import WebhookViewSet

router = SimpleRouter()
router.register("api/payments", Frontend2026ViewSet, basename="frontend-2026")
router.register("api/payments/payments", PaymentViewSet, basename="payment")
router.register("api/payments/refunds", RefundViewSet, basename="refund")
router.register("api/payments/webhook", WebhookViewSet, basename="webhook")
router.register("api/booking/bookings", BookingViewSet, basename="booking")
router.register("api/server/payments", ServerPaymentViewSet, basename="server-payment")
router.register("api/server/bookings", ServerBookingViewSet, basename="server-booking")
router.register("api/server/events", ServerEventViewSet, basename="server-event")
router.register("api/server/webhook-endpoints", ServerEndpointViewSet, basename="server-endpoint")
router.register("api/booking/admin/bookings", DeskBookingViewSet, basename="desk-booking")
# Actions on routes of `booking`, which knows nothing about money.
router.register("api/cart/carts", CartPaymentViewSet, basename="cart")
router.register("api/puja/slots", SlotPaymentViewSet, basename="slot")

urlpatterns = [
    *router.urls,
    path("api/promo/admin/promos/send-email/", SendPromosView.as_view()),
    path("api/booking/admin/bookings/employees/", EmployeesView.as_view()),
    path("api/accounts/admin/employees/", AssignableView.as_view()),
    path("api/booking/admin/dashboard/", DeskDashboardView.as_view()),
    path("api/booking/admin/reports/", DeskReportsView.as_view()),
    path("api/payments/return/<str:token>/", ReturnView.as_view(), name="payment-return"),
    path(
        "api/payments/offers/<str:token>/",
        OfferViewSet.as_view({"get": "retrieve", "post": "choose"}),
        name="payment-offer",
    ),
    path("api/payments/paying/", PayingViewSet.as_view({"get": "retrieve", "post": "watch"}), name="paying"),
    path(
        "api/booking/changes/<str:token>/",
        BookingChangeViewSet.as_view({"get": "retrieve"}),
        name="booking-change",
    ),
    path("api/booking/changes/<str:token>/cancel/", BookingChangeViewSet.as_view({"post": "cancel"})),
    path("api/booking/changes/<str:token>/move/", BookingChangeViewSet.as_view({"post": "move"})),
    path(
        "api/booking/calendar-feed/",
        CalendarFeedViewSet.as_view({"get": "retrieve", "post": "open", "delete": "close"}),
        name="calendar-feed",
    ),
    path("booking/<str:token>/", BookingChangePageView.as_view(), name="booking-change-page"),
    path("calendar/priest/<str:token>/", PriestFeedFileView.as_view(), name="priest-feed-file"),
    path("calendar/feed/<str:token>/", CalendarFeedFileView.as_view(), name="calendar-feed-file"),
    path("calendar/<str:token>/", BookingCalendarFileView.as_view(), name="booking-calendar-file"),
    path("offer/<str:token>/", OfferPageView.as_view(), name="payment-offer-page"),
    path("pay/link/<str:token>/", PayLinkView.as_view(), name="pay-link-page"),
    path("pay/<str:token>/", StatusPageView.as_view(), name="payment-status-page"),
    path("pay/<str:token>/receipt/", DonationReceiptView.as_view(), name="payment-donation-receipt"),
]

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.views import (
    AddressViewSet,
    ConfirmationRequestView,
    ConfirmationView,
    LoginView,
    LogoutEverywhereView,
    LogoutView,
    PasswordChangeView,
    PasswordResetRequestView,
    PasswordResetView,
    ProfileView,
    RefreshView,
    RegisterView,
)

router = SimpleRouter()
router.register("addresses", AddressViewSet)

urlpatterns = [
    path("register/", RegisterView.as_view()),
    path("login/", LoginView.as_view()),
    path("refresh/", RefreshView.as_view()),
    path("logout/", LogoutView.as_view()),
    path("logout/everywhere/", LogoutEverywhereView.as_view()),
    path("password/change/", PasswordChangeView.as_view()),
    path("password/reset/", PasswordResetRequestView.as_view()),
    path("password/reset/confirm/", PasswordResetView.as_view()),
    path("otp/request/", ConfirmationRequestView.as_view()),
    path("otp/verify/", ConfirmationView.as_view()),
    path("profile/", ProfileView.as_view()),
    *router.urls,
]

from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.people_views import PeopleViewSet
from accounts.views import (
    AddressViewSet,
    ConfirmationRequestView,
    ConfirmationView,
    LoginView,
    LogoutEverywhereView,
    LogoutView,
    PanCardView,
    PasswordChangeView,
    PasswordResetRequestView,
    PasswordResetView,
    ProfilePictureView,
    ProfileView,
    RefreshView,
    RegisterView,
    UploadView,
)

router = SimpleRouter()
router.register("addresses", AddressViewSet)
router.register("users", PeopleViewSet)

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
    path("profile/picture/", ProfilePictureView.as_view()),
    path("pancard/", PanCardView.as_view()),
    path("uploads/<str:token>/", UploadView.as_view(), name="upload"),
    *router.urls,
]

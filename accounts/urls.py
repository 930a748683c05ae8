from django.urls import path
from rest_framework.routers import SimpleRouter

from accounts.views import (
    AddressViewSet,
    LoginView,
    LogoutEverywhereView,
    LogoutView,
    PasswordChangeView,
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
    path("profile/", ProfileView.as_view()),
    *router.urls,
]

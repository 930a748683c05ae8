from django.urls import path

from storefront.views.account import (
    BookingPage,
    BookingsPage,
    CodePage,
    LoginPage,
    LogoutPage,
    ReceiptPage,
)
from storefront.views.booking import DetailsPage, ReviewPage
from storefront.views.catalogue import CataloguePage, PujaPage, TimesPage
from storefront.views.donation import DonatePage
from storefront.views.extras import LanguagePage, OutboxPage
from storefront.views.waiting import WaitingPage

urlpatterns = [
    path("", CataloguePage.as_view(), name="shop-catalogue"),
    path("pujas/<int:pk>/", PujaPage.as_view(), name="shop-puja"),
    path("pujas/<int:pk>/times/", TimesPage.as_view(), name="shop-times"),
    path("book/", DetailsPage.as_view(), name="shop-details"),
    path("review/<uuid:cart_id>/", ReviewPage.as_view(), name="shop-review"),
    path("donate/", DonatePage.as_view(), name="shop-donate"),
    path("waiting/", WaitingPage.as_view(), name="shop-waiting"),
    path("login/", LoginPage.as_view(), name="shop-login"),
    path("login/code/", CodePage.as_view(), name="shop-code"),
    path("logout/", LogoutPage.as_view(), name="shop-logout"),
    path("bookings/", BookingsPage.as_view(), name="shop-bookings"),
    path("bookings/<str:book_id>/", BookingPage.as_view(), name="shop-booking"),
    path("bookings/<str:book_id>/receipt/", ReceiptPage.as_view(), name="shop-receipt"),
    path("language/<str:code>/", LanguagePage.as_view(), name="shop-language"),
    path("outbox/", OutboxPage.as_view(), name="shop-outbox"),
]

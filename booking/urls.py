from django.urls import path
from rest_framework.routers import SimpleRouter

from booking import not_sold
from booking.catalogue_views import (
    CataloguePictureView,
    DeskCategoryViewSet,
    DeskPackageViewSet,
    DeskServiceViewSet,
)
from booking.promo_views import CustomerPromoViewSet, DeskPromoViewSet, PromoVerdictViewSet
from booking.views import CartViewSet, PackageViewSet, PujaServiceViewSet
from booking.waiting_views import WaitingViewSet

router = SimpleRouter()
router.register("puja/categories", DeskCategoryViewSet)
router.register("puja/services", DeskServiceViewSet)
router.register("puja/packages", DeskPackageViewSet)
# Asked by today's frontend after any error of the routes above.
router.register("puja/public/services", PujaServiceViewSet, basename="public-service")
router.register("puja/public/puja/packages", PackageViewSet, basename="public-package")
router.register("cart/carts", CartViewSet)
router.register("booking/waiting", WaitingViewSet, basename="waiting")
router.register("promo/user/promos", CustomerPromoViewSet, basename="customer-promo")
router.register("promo/admin/promos", DeskPromoViewSet, basename="desk-promo")
router.register("promo/promos", PromoVerdictViewSet, basename="promo")

urlpatterns = [
    *router.urls,
    path("puja/pictures/<slug:digest>/", CataloguePictureView.as_view(), name="catalogue-picture"),
    *not_sold.urlpatterns,
]

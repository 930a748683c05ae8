from rest_framework.routers import SimpleRouter

from booking.views import BookingViewSet, CartViewSet, PackageViewSet, PujaCategoryViewSet, PujaServiceViewSet

router = SimpleRouter()
router.register("puja/categories", PujaCategoryViewSet)
router.register("puja/services", PujaServiceViewSet)
router.register("puja/packages", PackageViewSet)
router.register("cart/carts", CartViewSet)
router.register("booking/bookings", BookingViewSet)

urlpatterns = router.urls

"""The colour and the logo of the brand, for the pages: no style may stand inside a page, and no other host is asked."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views import View

from core.brand import brand

DAY = 86_400
NO_SCRIPTS = (
    "default-src 'none'; style-src 'unsafe-inline'; sandbox"  # of an SVG file that is opened by itself
)


class BrandColoursView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return _cacheable(HttpResponse(f":root{{--brand:{brand().colour}}}\n", content_type="text/css"))


class BrandLogoView(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        current = brand()
        if not current.logo:
            raise Http404
        headers = {"Content-Security-Policy": NO_SCRIPTS}
        return _cacheable(HttpResponse(current.logo, content_type=current.logo_type, headers=headers))


def _cacheable(response: HttpResponse) -> HttpResponse:
    """Pages name a new address when the brand changes."""
    patch_cache_control(response, public=True, max_age=DAY)
    response["ETag"] = f'"{brand().version}"'
    return response

"""The server that is measured: ours, and beside it the least that a payment could be, a view that inserts a row."""

import secrets

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()  # from here on Django is set up, and models can be imported

from django.contrib.sessions.models import Session  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


@csrf_exempt
def floor(request: HttpRequest) -> HttpResponse:
    Session.objects.create(session_key=secrets.token_hex(16), session_data="", expire_date=timezone.now())
    return HttpResponse("inserted", status=201)


urlpatterns = [path("floor/", floor), path("", include("okpuja.urls"))]
settings.ROOT_URLCONF = __name__

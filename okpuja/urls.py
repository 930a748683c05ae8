from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]

handler400 = "okpuja.errors.bad_request"
handler403 = "okpuja.errors.permission_denied"
handler404 = "okpuja.errors.page_not_found"
handler500 = "okpuja.errors.server_error"

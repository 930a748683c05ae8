"""The catalogue: order, visibility, pictures, prices from a moment on, and what promo codes have given."""

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import APIException

from backoffice import rights
from backoffice.catalogue_forms import PictureForm, PositionForm, PriceForm
from backoffice.pages import ask_first, desk_page, may, row_id, show
from booking.filters import with_price
from booking.models import Package, PackagePrice, PromoCode, PujaService
from booking.services import pictures
from booking.services.previews import preview_token
from booking.services.prices import cancel_price, change_price, plan_price, planned_prices
from booking.services.promo_codes import figures, with_use
from core.dates import spell_moment
from core.errors import translated
from core.language import language_of, localized
from core.money import in_rupees

MOST_ROWS = 200
CATALOGUE = gettext_lazy("Catalogue")


@desk_page(rights.SEE_CATALOGUE)
def pujas(request: HttpRequest) -> HttpResponse:
    """All pujas as the shop orders them, hidden ones as well."""
    priced = with_price(PujaService.objects.select_related("category"))
    on_sale = Count("packages", filter=Q(packages__is_active=True))
    rows = priced.annotate(packages_on_sale=on_sale).order_by(
        "category__position", "category__name", "position", "title"
    )
    first_rows = [*rows[: MOST_ROWS + 1]]
    return show(
        request,
        "backoffice/catalogue.html",
        CATALOGUE,
        pujas=first_rows[:MOST_ROWS],
        has_more=len(first_rows) > MOST_ROWS,
    )


@desk_page(rights.SEE_CATALOGUE)
def puja(request: HttpRequest, pk: int) -> HttpResponse:
    """One puja: what customers see of it, and what can be changed about that."""
    service = get_object_or_404(PujaService.objects.select_related("category"), pk=pk)
    picture, position = PictureForm(), PositionForm(initial={"position": service.position})
    if request.method == "POST":
        if not may(request, rights.CHANGE_CATALOGUE):
            raise PermissionDenied
        action = request.POST.get("action")
        if action == "picture":
            picture = PictureForm(request.POST, request.FILES)
            if picture.is_valid() and _show_picture(request, service, picture):
                return redirect("desk:catalogue-puja", pk=pk)
        elif action == "position":
            position = PositionForm(request.POST)
            if position.is_valid():
                _change(service, position=position.cleaned_data["position"])
                return redirect("desk:catalogue-puja", pk=pk)
        elif action in ("show", "hide"):
            consequence = _("Customers do not find it and cannot book it. What is booked stays as it is.")
            if action == "hide" and (
                question := ask_first(request, _("Hide from customers"), consequence, request.path)
            ):
                return question
            _change(service, is_active=action == "show")
            sentence = (
                _("Customers see it now.") if service.is_active else _("Customers do not see it any more.")
            )
            messages.success(request, sentence)
            return redirect("desk:catalogue-puja", pk=pk)
    preview = f"{reverse('shop-puja', args=[pk])}?preview={preview_token(service)}"
    return show(
        request,
        "backoffice/catalogue_puja.html",
        localized(service, "title"),
        trail=[(CATALOGUE, reverse("desk:catalogue"))],
        puja=service,
        packages=_packages(service),
        picture_form=picture,
        position_form=position,
        missing_hindi=[name for name in ("title", "description") if not getattr(service, f"{name}_hi")],
        preview=preview if settings.STOREFRONT else "",
        may_change=may(request, rights.CHANGE_CATALOGUE),
        may_price=may(request, rights.CHANGE_PACKAGES),
    )


@transaction.atomic
def _change(service: PujaService, **fields: object) -> None:
    """Twice is once: the history has a row for what was changed, and none for a second click."""
    PujaService.objects.select_for_update(no_key=True).only("pk").get(pk=service.pk)
    service.refresh_from_db(fields=[*fields])
    changed = {name: value for name, value in fields.items() if getattr(service, name) != value}
    for name, value in changed.items():
        setattr(service, name, value)
    if changed:
        service.save(update_fields=[*changed, "updated_at"])


def _packages(service: PujaService) -> QuerySet[Package]:
    """With their prices of now and those to come."""
    to_come = Prefetch("prices", planned_prices(), to_attr="to_come")
    packages = Package.objects.priced().filter(puja_service=service).prefetch_related(to_come)
    return packages.order_by("position", "current_paise", "pk")


def _show_picture(request: HttpRequest, service: PujaService, form: PictureForm) -> bool:
    """False where the file is refused; the form says why."""
    file = cast(UploadedFile, form.cleaned_data["picture"])
    try:
        drawn = pictures.draw(file.name or "", file.read(), "picture")
    except APIException as refusal:
        form.add_error("picture", translated(refusal, language_of(request)))
        return False
    pictures.show(service, drawn)
    service.save(update_fields=["picture", "picture_width", "picture_height", "image_url", "updated_at"])
    messages.success(request, _("The picture is shown from now on."))
    return True


@desk_page(rights.CHANGE_PACKAGES)
def package_price(request: HttpRequest, pk: int) -> HttpResponse:
    """The price of a package: of now, or from a moment to come."""
    package = get_object_or_404(Package.objects.priced().select_related("puja_service"), pk=pk)
    back = redirect("desk:catalogue-puja", pk=package.puja_service_id)
    if "cancel" in request.POST:
        return _cancel(request, package) or back
    form = PriceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            if moment := form.cleaned_data["valid_from"]:
                plan_price(package, form.cleaned_data["price"], moment)
            else:
                change_price(package, form.cleaned_data["price"])
        except ValidationError as refusal:
            form.add_error(None, refusal.messages)
        else:
            messages.success(request, _("The price is kept. What is being paid for now keeps its own."))
            return back
    trail = [
        (CATALOGUE, reverse("desk:catalogue")),
        (
            localized(package.puja_service, "title"),
            reverse("desk:catalogue-puja", args=[package.puja_service_id]),
        ),
    ]
    return show(
        request,
        "backoffice/package_price.html",
        _("Price"),
        trail=trail,
        package=package,
        form=form,
        planned=planned_prices().filter(package=package),
    )


def _cancel(request: HttpRequest, package: Package) -> HttpResponse | None:
    """A planned price. A page that asks first, or None: it is done, or a message says why not."""
    price = PackagePrice.objects.filter(package=package, pk=row_id(request.POST["cancel"])).first()
    if price is None:
        messages.info(request, _("This price is not planned any more."))  # another click was faster
        return None
    consequence = _("The price of {sum}, planned from {moment}, does not come.").format(
        sum=in_rupees(price.price_paise), moment=spell_moment(price.valid_from)
    )
    if question := ask_first(request, _("Cancel this price"), consequence, request.path):
        return question
    if cancel_price(price):
        messages.success(request, _("The planned price is cancelled."))
    else:
        messages.warning(request, _("It counts already."))
    return None


@desk_page(rights.SEE_PROMO_CODES)
def promo_codes(request: HttpRequest) -> HttpResponse:
    """The newest codes with their use."""
    rows = [*with_use(PromoCode.objects.order_by("-pk"))[: MOST_ROWS + 1]]
    return show(
        request,
        "backoffice/promo_codes.html",
        _("Promo codes"),
        codes=rows[:MOST_ROWS],
        has_more=len(rows) > MOST_ROWS,
        figures=figures(),
    )

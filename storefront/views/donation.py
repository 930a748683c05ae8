"""Dakshina: a donation from our own page, by the same service as the API's."""

from http import HTTPStatus
from typing import ClassVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException

from payment.services.checkout import start_donation
from payment.services.donations import Donor
from payment.services.paying import paying_works
from payment.views.pages import SeeOther
from storefront.forms import DonationForm
from storefront.views.page import Page


class DonatePage(Page):
    """For everybody; a person who is signed in gives no mail address. 404 unless DONATION_PAGE."""

    template: ClassVar[str] = "storefront/donate.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(DonationForm(self.customer, self.language))

    def post(self, request: HttpRequest) -> HttpResponse:
        self._refuse_if_off()
        form = DonationForm(self.customer, self.language, request.POST)
        try:
            self.count("payment" if self.customer else "guest_payment")
            if not form.is_valid():
                return self._show(form, HTTPStatus.BAD_REQUEST)
            given = form.cleaned_data
            english, hindi = (
                settings.DONATION_PURPOSES[int(given["purpose"])] if "purpose" in given else ("", "")
            )
            start = start_donation(
                self.customer,
                amount_paise=given["rupees"] * 100,
                reference=given["name"],
                donor=Donor(
                    given.get("email", ""),
                    self.language,
                    english,
                    hindi,
                    given.get("pan", ""),
                    given.get("address", ""),
                ),
            )
        except APIException as refusal:
            return self.refuse(refusal, form=form, is_down=not paying_works())
        return SeeOther(start.attempt.page_url)

    def _show(self, form: DonationForm, status: int = HTTPStatus.OK) -> HttpResponse:
        self._refuse_if_off()
        return self.show(status, form=form, is_down=not paying_works())

    def _refuse_if_off(self) -> None:
        if not settings.DONATION_PAGE:
            raise Http404

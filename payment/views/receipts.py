"""The receipt of a payment, as PDF, in its owner's language."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from payment.models import Payment, Receipt
from payment.services.receipts import pdf, receipt_of


def download(receipt: Receipt) -> HttpResponse:
    """The paper of a numbered receipt, in the language of who paid."""
    payer = receipt.payment.user
    name, content = pdf(receipt, payer.language if payer else "en")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


class PaymentReceiptView(APIView):
    @extend_schema(operation_id="payments_receipt", responses={(200, "application/pdf"): OpenApiTypes.BINARY})
    def get(self, request: Request, pk: int) -> HttpResponse:
        """Of a payment that brought money; the same paper at every call."""
        mine = (
            Payment.objects.all() if request.user.is_staff else Payment.objects.filter(user=request.user.pk)
        )
        payment = get_object_or_404(mine.select_related("user", "checkout"), pk=pk)
        receipt = receipt_of(payment)
        if receipt is None:
            raise Http404
        return download(receipt)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Whatever is asked for: the paper is PDF, and a refusal is JSON."""
        return JSONRenderer(), JSONRenderer.media_type

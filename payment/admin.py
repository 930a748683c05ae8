"""The admin shows money and never changes it: PhonePe's answers and the services do. Staff decide by actions."""

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import ActionForm

from accounts.models import User
from accounts.search import PhoneSearch
from booking.admin import SlotAdmin as BookingSlotAdmin
from booking.models import Slot
from core.errors import Refusal, translated
from core.language import ENGLISH, localized
from core.long_lists import LongList, SeenValuesFilter, SpanFilter
from core.money import in_rupees, paise
from core.page_rates import find_excess, too_many_requests
from core.read_only import ReadOnly
from core.texts import plain_line
from core.throttling import user_subject
from diagnostics import render
from payment import server_admin  # noqa: F401 - registers its models
from payment.models import (
    CreditNote,
    DiagnosisRun,
    Dispute,
    DisputeUpdate,
    GatewayCall,
    IdempotencyKey,
    LedgerEntry,
    Offer,
    Payment,
    PaymentAttempt,
    Receipt,
    Reconciliation,
    Refund,
    StateChange,
    WebhookEvent,
    WorkLease,
)
from payment.models.receipts import read_serial_number
from payment.reconciliation.report import as_text
from payment.services.disputes import confirm_dispute, decide_dispute
from payment.services.offers import decline
from payment.services.outcomes import accept_after_review, return_after_review
from payment.services.receipts import ReceiptBusy, number_credit_note, number_receipt
from payment.services.refunds.amounts import REQUESTED
from payment.services.refunds.requests import approve_refund, withdraw_refund
from payment.services.rule_words import words_of
from payment.services.slot_closure import MOST_AT_ONCE, Closing, Outcome, move_all, refund_all
from payment.services.status import stop_waiting_by_staff
from payment.services.support_bundle import masked_text
from payment.services.webhooks import close_event
from payment.views.payments import download, download_credit_note

CLOSED = "The temple has closed this time."


class ReadOnlyAdmin(ReadOnly, LongList, ModelAdmin):
    list_per_page = 50


class DecidingAdmin(ReadOnlyAdmin):
    """Rows that staff decide about by actions; the services do it, each row by itself."""

    def decide(self, request: HttpRequest, rows: QuerySet[Any], action: Callable[[Any], object]) -> None:
        done = 0
        for row in rows:
            try:
                action(row)
                done += 1
            except Refusal as refusal:
                self.message_user(
                    request, f"{row}: {translated(refusal, get_language() or ENGLISH)}", messages.WARNING
                )
        self.message_user(request, _("{number} decided.").format(number=done), messages.SUCCESS)


def tell_who_approves(desk: ModelAdmin, request: HttpRequest, refunds: QuerySet[Refund]) -> None:
    if waiting := refunds.filter(REQUESTED).distinct().count():
        text = _("{number} refunds wait: a second person must approve them. Nothing else changes before.")
        desk.message_user(request, text.format(number=waiting), messages.WARNING)


class ReasonForm(ActionForm):
    reason = forms.CharField(required=False, max_length=200, label=_("Reason"), validators=[plain_line])


class Rows(ReadOnly, TabularInline):
    extra = 0
    show_change_link = True
    tab = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields  # so that no form is built: it could not contain `created_at`


class AttemptRows(Rows):
    model = PaymentAttempt
    fields = (
        "number",
        "merchant_order_id",
        "channel",
        "state",
        "amount_paise",
        "received_paise",
        "code",
        "next_check_at",
    )


class ChangeRows(Rows):
    model = StateChange
    fields = ("created_at", "subject", "before", "after", "rule", "detail")


class CallRows(Rows):
    model = GatewayCall
    fields = (
        "started_at",
        "operation",
        "host",
        "stage",
        "milliseconds",
        "http_status",
        "code",
        "error_category",
    )


class LedgerRows(Rows):
    model = LedgerEntry
    fields = ("created_at", "kind", "amount_paise", "reference")


class DisputeUpdateRows(Rows):
    model = DisputeUpdate
    fields = ("created_at", "event", "status", "amount_paise", "told_at", "is_proven", "said_by")


class DisputeLedgerRows(Rows):
    model = LedgerEntry
    fields = ("created_at", "amount_paise", "reference")


class RefundRows(Rows):
    model = Refund
    fields = ("created_at", "merchant_refund_id", "amount_paise", "state", "reason")


@admin.register(Payment)
class PaymentAdmin(PhoneSearch, DecidingAdmin):
    phone_fields = ("payer_mobile", "user__phone")
    list_display = (
        *("case", "amount", "puja", "customer", "state", "fulfilment", "held_because"),
        *("simulated", "created_at", "id"),
    )
    list_display_links = ("id",)
    list_filter = ("state", "fulfilment", "simulated", ("created_at", SpanFilter))
    list_select_related = ("user", "checkout")
    list_before_template = "backoffice/saved_filters.html"
    search_fields = (
        *("reference__startswith", "user__email"),
        *("attempts__merchant_order_id__startswith", "attempts__provider_order_id__startswith"),
    )
    inlines = (AttemptRows, ChangeRows, CallRows, LedgerRows, RefundRows)
    actions = ("accept", "send_back", "stop_waiting")
    action_form = ReasonForm

    @admin.action(description=_("In review: accept the money as the payment"), permissions=["decide"])
    def accept(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        by = cast(User, request.user)
        self.decide(request, payments, lambda payment: accept_after_review(payment.pk, by))
        tell_who_approves(self, request, Refund.objects.filter(payment__in=payments))

    @admin.action(description=_("In review: send the money back"), permissions=["decide"])
    def send_back(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        by = cast(User, request.user)
        self.decide(request, payments, lambda payment: return_after_review(payment.pk, by))
        tell_who_approves(self, request, Refund.objects.filter(payment__in=payments))

    @admin.action(
        description=_("Stop waiting for it (with a reason): free cart and slot"), permissions=["decide"]
    )
    def stop_waiting(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        reason = request.POST.get("reason", "").strip()
        if not reason:
            self.message_user(request, _("Enter the reason beside the action."), messages.WARNING)
            return
        by = cast(User, request.user)
        self.decide(request, payments, lambda payment: stop_waiting_by_staff(payment.pk, reason, by))

    @admin.display(description=_("payment"), ordering="reference")
    def case(self, payment: Payment) -> str:
        """The reference leads to the page on which staff work with it, the id to the row."""
        return format_html(
            '<a class="desk-link" href="{}">{}</a>',
            reverse("desk:case", args=[payment.reference]),
            payment.reference,
        )

    @admin.display(description=_("amount (₹)"), ordering="amount_paise")
    def amount(self, payment: Payment) -> str:
        return in_rupees(payment.amount_paise)

    @admin.display(description=_("puja"))
    def puja(self, payment: Payment) -> str:
        return localized(payment.checkout, "puja_title") if payment.checkout else gettext("Donation")

    @admin.display(description=_("customer"), ordering="user")
    def customer(self, payment: Payment) -> str:
        return (payment.user.full_name or payment.user.email) if payment.user else payment.payer_reference


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnlyAdmin):
    list_display = (
        "merchant_order_id",
        "payment",
        "number",
        "state",
        "generation",
        "merchant",
        "next_check_at",
    )
    list_filter = ("state", "channel", "generation", ("environment", SeenValuesFilter), "simulated")
    list_select_related = ("payment",)
    search_fields = tuple(
        f"{name}__startswith"
        for name in ("merchant_order_id", "provider_order_id", "provider_transaction_id", "utr")
    )
    inlines = (CallRows,)
    exclude = (
        "page_url",
        "order_token",
        "intent_url",
    )  # whoever has one of them can pay, nobody else needs it


class RupeesForm(ActionForm):
    rupees = forms.DecimalField(
        required=False, min_value=1, max_digits=11, decimal_places=2, label=_("Disputed (₹)")
    )


@admin.register(WebhookEvent)
class WebhookEventAdmin(DecidingAdmin):
    list_display = (
        "received_at",
        "event",
        "merchant_order_id",
        "claimed_state",
        "state",
        "unclear",
        "deliveries",
        "differs",
    )
    list_filter = ("state", ("scheme", SeenValuesFilter), ("event", SeenValuesFilter))
    search_fields = ("merchant_order_id__startswith", "merchant_refund_id__startswith")
    action_form = ReasonForm
    actions = ("close",)
    fields = (
        *(
            "received_at",
            "handled_at",
            "event",
            "scheme",
            "header_names",
            "merchant_order_id",
            "merchant_refund_id",
        ),
        *(
            "claimed_state",
            "claimed_paise",
            "differs",
            "unclear",
            "state",
            "closed_by",
            "closed_because",
            "deliveries",
            "checks",
            "next_check_at",
            "text",
        ),
    )

    @admin.action(description=_("Close: it has been reviewed (with a reason)"), permissions=["decide"])
    def close(self, request: HttpRequest, events: QuerySet[WebhookEvent]) -> None:
        by, reason = cast(User, request.user), request.POST.get("reason", "")
        self.decide(request, events, lambda event: close_event(event.pk, reason, by))

    @admin.display(description=_("body, masked"))
    def text(self, event: WebhookEvent) -> str:
        """Without what PhonePe tells of the payer, as on the page of the case."""
        return format_html('<pre class="desk-letter" tabindex="0" lang="en">{}</pre>', masked_text(event))


@admin.register(GatewayCall)
class GatewayCallAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "operation",
        "host",
        "port",
        "stage",
        "milliseconds",
        "http_status",
        "error_category",
    )
    list_filter = (("operation", SeenValuesFilter), "error_category", ("host", SeenValuesFilter))
    search_fields = ("attempt__merchant_order_id__startswith", "request_id")


@admin.register(Refund)
class RefundAdmin(DecidingAdmin):
    list_display = (
        *("merchant_refund_id", "amount", "state", "held_because", "origin", "reason"),
        *("asked_by", "approved_by", "expected_by", "code"),
    )
    list_filter = ("state", "held_because", "origin")
    list_select_related = ("asked_by", "approved_by")
    search_fields = (*("merchant_refund_id__startswith", "attempt__merchant_order_id__startswith", "utr"),)
    actions = ("approve", "withdraw")

    @admin.display(description=_("amount (₹)"), ordering="amount_paise")
    def amount(self, refund: Refund) -> str:
        return in_rupees(refund.amount_paise)

    @admin.action(description=_("Approve: send it"), permissions=["decide"])
    def approve(self, request: HttpRequest, refunds: QuerySet[Refund]) -> None:
        self.decide(request, refunds, lambda refund: approve_refund(refund.pk, cast(User, request.user)))

    @admin.action(description=_("Withdraw a request that awaits approval"), permissions=["decide"])
    def withdraw(self, request: HttpRequest, refunds: QuerySet[Refund]) -> None:
        self.decide(request, refunds, lambda refund: withdraw_refund(refund.pk, cast(User, request.user)))


@admin.register(Offer)
class OfferAdmin(DecidingAdmin):
    list_display = ("payment", "because", "state", "slot", "expires_at", "created_at")
    list_filter = ("state",)
    list_select_related = ("payment", "slot__service")
    search_fields = ("payment__reference__startswith", "payment__user__email")
    actions = ("close",)

    @admin.action(description=_("End it now: send the money back"), permissions=["decide"])
    def close(self, request: HttpRequest, offers: QuerySet[Offer]) -> None:
        by = cast(User, request.user)
        self.decide(request, offers, lambda offer: decline(offer.payment_id, "closed_by_staff", by))
        tell_who_approves(self, request, Refund.objects.filter(payment__offers__in=offers))


@admin.register(Dispute)
class DisputeAdmin(DecidingAdmin):
    list_display = ("dispute_id", "attempt", "status", "amount", "is_proven", "due_at", "updated_at")
    list_filter = ("status", "is_proven")
    list_select_related = ("attempt",)
    search_fields = ("dispute_id", "attempt__merchant_order_id__startswith")
    inlines = (DisputeUpdateRows, DisputeLedgerRows)
    action_form = RupeesForm
    actions = ("confirm", "enter_amount", "mark_lost", "mark_won")

    @admin.display(description=_("amount (₹)"), ordering="amount_paise")
    def amount(self, dispute: Dispute) -> str:
        amount = dispute.amount_paise
        return gettext("not known: all of it") if amount is None else in_rupees(amount)

    @admin.action(description=_("Confirm: PhonePe's dashboard says the same"), permissions=["decide"])
    def confirm(self, request: HttpRequest, disputes: QuerySet[Dispute]) -> None:
        self.decide(request, disputes, lambda dispute: confirm_dispute(dispute.pk, cast(User, request.user)))

    @admin.action(description=_("Enter the disputed amount"), permissions=["decide"])
    def enter_amount(self, request: HttpRequest, disputes: QuerySet[Dispute]) -> None:
        if _disputed_paise(request) is None:
            self.message_user(request, _("Enter the amount in rupees beside the action."), messages.WARNING)
            return
        self._decide_dispute(request, disputes, None)

    @admin.action(description=_("Mark as lost: the bank has the money"), permissions=["decide"])
    def mark_lost(self, request: HttpRequest, disputes: QuerySet[Dispute]) -> None:
        self._decide_dispute(request, disputes, Dispute.Status.LOST)

    @admin.action(description=_("Mark as won: the money is ours"), permissions=["decide"])
    def mark_won(self, request: HttpRequest, disputes: QuerySet[Dispute]) -> None:
        self._decide_dispute(request, disputes, Dispute.Status.WON)

    def _decide_dispute(
        self, request: HttpRequest, disputes: QuerySet[Dispute], status: Dispute.Status | None
    ) -> None:
        by, amount = cast(User, request.user), _disputed_paise(request)
        self.decide(
            request,
            disputes,
            lambda dispute: decide_dispute(dispute.pk, by, status=status, amount_paise=amount),
        )


def _disputed_paise(request: HttpRequest) -> int | None:
    """The amount beside the action; None if the field is empty or is no amount."""
    form = RupeesForm(request.POST)
    form.is_valid()  # the action itself is checked by the admin
    amount = form.cleaned_data.get("rupees")
    return None if amount is None else paise(f"{amount:f}")


admin.site.unregister(Slot)


@admin.register(Slot)
class SlotAdmin(BookingSlotAdmin):
    """Closing a slot moves bookings and money, which the booking app does not know."""

    actions = ("close_and_move", "close_and_refund")

    @admin.action(description=_("Close: move all bookings to the nearest free times"), permissions=["change"])
    def close_and_move(self, request: HttpRequest, slots: QuerySet[Slot]) -> None:
        by = cast(User, request.user)
        self._close(request, slots, lambda slot, most: move_all(slot, CLOSED, by, most=most))

    @admin.action(description=_("Close: cancel all bookings and refund them in full"), permissions=["change"])
    def close_and_refund(self, request: HttpRequest, slots: QuerySet[Slot]) -> None:
        by, batch = cast(User, request.user), [*slots]
        self._close(request, slots, lambda slot, most: refund_all(slot, CLOSED, by, most, batch))
        tell_who_approves(self, request, Refund.objects.filter(payment__checkout__hold__slot__in=batch))

    def _close(
        self, request: HttpRequest, slots: QuerySet[Slot], close: Callable[[Slot, int], Closing]
    ) -> None:
        """Closes all of the slots, and clears as many bookings as one request may."""
        most = MOST_AT_ONCE
        for slot in slots:
            closing = close(slot, most)
            cleared = closing.cleared
            most -= len(cleared)
            no_room = [each.booking.book_id for each in cleared if each.outcome is Outcome.NO_ROOM]
            offered = [each.booking.book_id for each in cleared if each.outcome is Outcome.OFFERED]
            waiting = [each for each in cleared if each.outcome is Outcome.AWAITING_APPROVAL]
            done = len(cleared) - len(no_room) - len(waiting)
            sentences = [_("{slot} is closed; {number} bookings dealt with.").format(slot=slot, number=done)]
            if offered:
                near = _("Free times are too near to move {bookings}: a mail asks them to choose.")
                sentences.append(near.format(bookings=", ".join(offered)))
            if no_room:
                sentences.append(_("No free time for {bookings}.").format(bookings=", ".join(no_room)))
            if closing.left:
                left = _("{number} bookings are left: choose the action again.")
                sentences.append(left.format(number=closing.left))
            is_complete = not no_room and not waiting and not closing.left
            level = messages.SUCCESS if is_complete else messages.WARNING
            self.message_user(request, " ".join(sentences), level)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "kind", "amount_paise", "reference", "payment", "simulated")
    list_filter = ("kind", "simulated")
    list_select_related = ("payment",)
    search_fields = ("reference__exact",)


class PaperAdmin(ReadOnlyAdmin):
    """Numbered papers: found by their number, and printed again as their reader got them."""

    list_filter: Any = ("series", ("year", SeenValuesFilter))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if found := read_serial_number(search_term):
            return queryset.filter(**dict(zip(("series", "year", "number"), found, strict=True))), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=_("amount (₹)"), ordering="total_paise")
    def amount(self, paper: Receipt | CreditNote) -> str:
        return in_rupees(paper.total_paise)

    @admin.display(description=_("PDF"))
    def pdf_link(self, paper: Receipt | CreditNote) -> str:
        return format_html('<a href="{}">PDF</a>', reverse(f"admin:{self._pdf_name()}", args=[paper.pk]))

    def get_urls(self) -> list[URLPattern]:
        """The PDF. The paper gets its number now if it has none."""
        pdf = path("<int:pk>/pdf/", self.admin_site.admin_view(self.download), name=self._pdf_name())
        return [pdf, *super().get_urls()]

    def _pdf_name(self) -> str:
        return f"payment_{self.model._meta.model_name}_pdf"

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        paper = get_object_or_404(self.model, pk=pk)
        if not self.has_view_permission(request, paper):
            raise PermissionDenied
        wait = find_excess("receipt", user_subject(cast(User, request.user).pk))
        if wait is not None:
            return too_many_requests(request, wait)
        try:
            return self.print_paper(pk)
        except ReceiptBusy as busy:
            self.message_user(request, str(busy.detail), messages.WARNING)
            return redirect(f"admin:payment_{self.model._meta.model_name}_change", pk)

    def print_paper(self, pk: int) -> HttpResponse:
        raise NotImplementedError


@admin.register(Receipt)
class ReceiptAdmin(PaperAdmin):
    list_display = ("__str__", "payment", "amount", "received_at", "pdf_link")
    list_filter = (*PaperAdmin.list_filter, ("received_at", SpanFilter))
    list_select_related = ("payment",)
    search_fields = ("payment__reference__startswith", "payment__user__email")
    search_help_text = _("number of the receipt, reference of the payment, or mail address")

    def print_paper(self, pk: int) -> HttpResponse:
        return download(number_receipt(pk))


@admin.register(CreditNote)
class CreditNoteAdmin(PaperAdmin):
    list_display = ("__str__", "refund", "receipt", "amount", "issued_at", "pdf_link")
    list_filter = (*PaperAdmin.list_filter, ("issued_at", SpanFilter))
    list_select_related = ("refund", "receipt")
    search_fields = ("refund__merchant_refund_id__startswith", "refund__payment__reference__startswith")
    search_help_text = _("number of the credit note, id of the refund, or reference of the payment")

    def print_paper(self, pk: int) -> HttpResponse:
        return download_credit_note(number_credit_note(pk))


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    list_display = ("day", "asked_by", "is_clean", "differences", "started_at", "finished_at")
    list_filter = ("is_clean", "asked_by", ("day", SpanFilter))
    fields = ("day", "asked_by", "started_at", "finished_at", "is_clean", "differences", "result")

    @admin.display(description=_("result"))
    def result(self, run: Reconciliation) -> str:
        return format_html(
            "<pre style='white-space: pre-wrap'>{}</pre>", as_text(run.report) if run.report else ""
        )


@admin.register(DiagnosisRun)
class DiagnosisRunAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "asked_by", "verdict", "culprit", "summary", "took_ms")
    list_filter = ("success", ("verdict", SeenValuesFilter), "asked_by")
    fields = ("started_at", "finished_at", "asked_by", "result")

    @admin.display(description=_("result"))
    def result(self, run: DiagnosisRun) -> str:
        text = render.as_text(run.answer) if run.finished_at else ""
        return format_html("<pre style='white-space: pre-wrap'>{}</pre>", text)


@admin.register(StateChange)
class StateChangeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "payment", "subject", "before", "after", "rule", "in_words", "detail")
    list_filter = (("subject", SeenValuesFilter), ("rule", SeenValuesFilter))
    list_select_related = ("payment",)
    search_fields = (
        *("payment__reference__startswith", "attempt__merchant_order_id__startswith", "request_id"),
    )

    @admin.display(description=_("what happened"))
    def in_words(self, change: StateChange) -> str:
        return words_of(change.rule)


@admin.register(WorkLease)
class WorkLeaseAdmin(DecidingAdmin):
    """Rows that a worker is busy with, and rows whose work has failed."""

    list_display = ("kind", "row", "tries", "error", "taken_at", "held_until")
    list_filter = (("kind", SeenValuesFilter),)
    search_fields = ("row__exact", "error")
    actions = ("try_again",)

    @admin.action(description=_("Try again now"), permissions=["decide"])
    def try_again(self, request: HttpRequest, leases: QuerySet[WorkLease]) -> None:
        """Only rows whose work has failed: the others stay with their worker."""
        due = leases.exclude(error="").update(held_until=timezone.now())
        self.message_user(request, _("{number} will be tried again.").format(number=due), messages.SUCCESS)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "caller", "route", "status_code", "lease_until")
    list_filter = (("route", SeenValuesFilter), ("status_code", SeenValuesFilter))
    exclude = ("answer",)

"""How each critical or high defect of docs/defects.md is put back: one edit, and the test that must notice.

`python -m tests.system.defects` plays it. `old` occurs once in its file. Paths of files are below the repository,
paths of tests below `tests/`.
"""

from typing import NamedTuple


class Breakage(NamedTuple):
    defect: str
    file: str
    old: str
    new: str
    test: str


REFUSALS = "system/defects/test_refusals.py"
DEFECTS = "system/defects/test_payments.py"
SETTLING = "unit/payment/services/test_outcomes.py"
GATEWAYS = "unit/payment/test_gateways.py"
WEBHOOKS = "unit/payment/views/test_webhooks.py"
PAYMENTS = "unit/payment/views/test_payments.py"
CARTS = "unit/booking/services/test_carts.py"
PRICING = "unit/booking/test_pricing.py"
PROMISES = "unit/payment/services/refunds/test_requests.py"
SENDING = "unit/payment/services/refunds/test_sending.py"

BREAKAGES = (
    Breakage(
        "D1",
        "payment/services/attempts.py",
        "return _store_page(claim.attempt, _pay(claim, deadline))",
        '_store_page(claim.attempt, _pay(claim, deadline))\n            raise Unavailable(code="phonepe_unreachable")',
        f"{REFUSALS}::test_nobody_is_told_that_phonepe_failed_after_it_has_opened_the_order",
    ),
    Breakage(
        "D1",
        "core/errors.py",
        'default_code = "database_down"',
        'default_code = "phonepe_unreachable"',
        f"{REFUSALS}::test_a_database_that_refuses_is_never_called_phonepe",
    ),
    Breakage(
        "D2",
        "payment/views/webhooks.py",
        "receive_webhook(raw.headers, raw.body)",
        "receive_webhook({}, raw.body)",
        f"{WEBHOOKS}::test_a_webhook_is_kept_answered_and_then_asked_about",
    ),
    Breakage(
        "D3",
        "payment/phonepe/v1.py",
        "return is_same(given, expected)",
        "return bool(given)",
        f"{WEBHOOKS}::test_whoever_cannot_prove_to_be_phonepe_leaves_no_trace",
    ),
    Breakage(
        "D3",
        "payment/phonepe/v2.py",
        "if is_same(given, proof):",
        "if given:",
        "unit/payment/phonepe/test_webhooks.py::test_one_changed_byte_breaks_the_hmac",
    ),
    Breakage(
        "D4",
        "payment/services/outcomes.py",
        "return answer.amount_paise == attempt.amount_paise",
        "return True",
        f"{SETTLING}::test_another_amount_is_never_booked",
    ),
    Breakage(
        "D4",
        "payment/services/outcomes.py",
        "answer.merchant_id not in (None, attempt.merchant)",
        "answer.merchant_id is answer",
        f"{SETTLING}::test_money_of_another_merchant_is_never_booked",
    ),
    Breakage(
        "D5",
        "payment/phonepe/v1.py",
        'provider_status(answer.get("code"), STATUS_CODES)',
        'provider_status(answer.get("status"), STATUS_CODES)',
        "unit/payment/services/test_status.py::test_asking_finds_the_money_when_the_webhook_was_lost",
    ),
    Breakage(
        "D5",
        "payment/phonepe/v2.py",
        'return provider_status(answer.get("state"), states)',
        'return provider_status(answer.get("event"), states)',
        "unit/payment/services/test_status.py::test_asking_finds_the_money_when_the_webhook_was_lost",
    ),
    Breakage(
        "D6",
        "payment/phonepe/credentials.py",
        "if belongs != environment:",
        "if not belongs:",
        "unit/payment/phonepe/test_credentials.py::test_production_never_falls_back_to_play_money",
    ),
    Breakage(
        "D7",
        "core/databases.py",
        "if connection.in_atomic_block:",
        "if connection.needs_rollback:",
        "unit/payment/phonepe/test_transport.py::test_inside_a_transaction_not_even_a_connection_is_opened",
    ),
    Breakage(
        "D7",
        "payment/phonepe/client.py",
        "if not deadline.expired and failure",
        "if failure",
        "unit/payment/phonepe/test_client.py::test_no_call_outlives_its_deadline",
    ),
    Breakage(
        "D8",
        "payment/phonepe/errors.py",
        "return self.outcome in {RequestOutcome.NOT_SENT, RequestOutcome.THROTTLED}",
        "return self.outcome in {RequestOutcome.NOT_SENT, RequestOutcome.THROTTLED, RequestOutcome.REJECTED}",
        f"{GATEWAYS}::test_phonepes_no_is_a_no_and_is_not_repeated",
    ),
    Breakage(
        "D9",
        "payment/phonepe/errors.py",
        "return operation.idempotent",
        "return True",
        f"{GATEWAYS}::test_what_may_have_arrived_is_asked_about_and_said_again_only_when_unknown",
    ),
    Breakage(
        "D10",
        "payment/services/attempts.py",
        "apply_status(attempt.pk, OrderStatus(state=ProviderStatus.FAILED, code=said)",
        "apply_status(attempt.pk, OrderStatus(state=ProviderStatus.UNKNOWN, code=said)",
        "unit/payment/services/test_checkout.py::test_wrong_credentials_are_a_refusal_and_the_cart_is_free_again",
    ),
    Breakage(
        "D11",
        "payment/services/checkout.py",
        "return Payment.objects.filter(checkout__in=reserved, state=PaymentState.PENDING).first()",
        "return None",
        f"{PAYMENTS}::test_a_second_click_answers_200_with_the_same_page",
    ),
    Breakage(
        "D12",
        "booking/services/bookings.py",
        "if booked.exists():",
        "if False:",
        f"{SETTLING}::test_a_cart_paid_twice_in_two_payments_is_booked_once_and_the_other_money_goes_back",
    ),
    Breakage(
        "D12",
        "booking/services/bookings.py",
        "if existing := Booking.objects.filter(checkout=current).first():",
        "if existing := None:",
        "unit/booking/services/test_bookings.py::test_webhook_and_return_page_at_the_same_moment_make_one_booking",
    ),
    Breakage(
        "D13, D14",
        "accounts/services.py",
        'return mine.order_by("-is_default", "-id").first()',
        "return mine.get(is_default=True)",
        f"{DEFECTS}::test_who_has_no_address_pays_and_is_booked",
    ),
    Breakage(
        "D15",
        "booking/services/carts.py",
        "cart.selected_date, cart.selected_time = selected_date, selected_time",
        "cart.selected_date, cart.selected_time = selected_date, time(10)",
        f"{DEFECTS}::test_an_afternoon_puja_is_not_booked_for_the_morning",
    ),
    Breakage(
        "D16",
        "payment/services/outcomes.py",
        'try_now("fulfilments", payment.pk, fulfil)',
        "fulfil(payment.pk)",
        f"{SETTLING}::test_a_receipt_survives_a_database_that_refuses_the_booking",
    ),
    Breakage(
        "D17",
        "payment/services/simulation.py",
        "if not settings.PHONEPE_SIMULATION_MODE:",
        "if not (settings.PHONEPE_SIMULATION_MODE or settings.DEBUG):",
        f"{DEFECTS}::test_debug_mode_is_no_way_to_pay",
    ),
    Breakage(
        "D18",
        "booking/views.py",
        "import GenericViewSet, ReadOnlyModelViewSet",
        "import GenericViewSet, ModelViewSet as ReadOnlyModelViewSet",
        "unit/booking/test_views.py::test_nobody_writes_a_booking_by_hand",
    ),
    Breakage(
        "D19",
        "payment/serializers/payments.py",
        'serializers.ChoiceField(choices=["CANCELLED"])',
        "serializers.CharField()",
        f"{PAYMENTS}::test_a_customer_cancels_their_booking_and_nothing_else",
    ),
    Breakage(
        "D20",
        "payment/views/payments.py",
        "import ReadOnlyModelViewSet",
        "import ModelViewSet as ReadOnlyModelViewSet",
        f"{PAYMENTS}::test_nobody_changes_a_payment_over_rest",
    ),
    Breakage(
        "D21",
        "accounts/services.py",
        "mine = Address.objects.filter(user=user)",
        "mine = Address.objects.all()",
        f"{DEFECTS}::test_nobody_pays_with_the_address_of_a_stranger",
    ),
    Breakage(
        "D22",
        "payment/services/status.py",
        "if attempt.state == AttemptState.COMPLETED:",
        "if attempt.state != AttemptState.PENDING:",
        "unit/worker/test_jobs.py::test_late_money_is_found_by_the_slow_tail",
    ),
    Breakage(
        "D22",
        "payment/models/payments.py",
        "PaymentState.SUCCESS: (PaymentState.PENDING, PaymentState.FAILED, PaymentState.CANCELLED)",
        "PaymentState.SUCCESS: (PaymentState.PENDING,)",
        f"{SETTLING}::test_money_after_failure_takes_the_place_again",
    ),
    Breakage(
        "D23",
        "booking/pricing.py",
        "price_paise * promo.percent // 100",
        "promo.percent * 100",
        f"{PRICING}::test_ten_percent_are_ten_percent",
    ),
    Breakage(
        "D24",
        "booking/pricing.py",
        "if promo.expires_at is not None and promo.expires_at <= now:",
        "if False:",
        f"{PRICING}::test_a_code_is_refused_with_its_reason",
    ),
    Breakage(
        "D24",
        "booking/pricing.py",
        "return min(discount, price_paise)",
        "return discount",
        f"{PRICING}::test_a_discount_is_never_negative_and_never_above_the_price",
    ),
    Breakage(
        "D24",
        "booking/services/promos.py",
        'reserved_count=F("reserved_count") + 1',
        'reserved_count=F("reserved_count")',
        "unit/booking/services/test_checkouts.py::test_of_two_people_one_gets_the_last_use_of_a_promo_code",
    ),
    Breakage(
        "D25",
        "booking/services/carts.py",
        " or cart.package.puja_service_id != cart.puja_service_id",
        "",
        f"{CARTS}::test_the_cheap_package_of_another_puja_cannot_be_taken",
    ),
    Breakage(
        "D25",
        "booking/services/carts.py",
        "if cart.starts_at <= timezone.now():",
        "if False:",
        f"{CARTS}::test_an_hour_that_has_passed_today_is_refused",
    ),
    Breakage(
        "D26",
        "booking/services/carts.py",
        "if current.status == Cart.Status.ACTIVE:",
        "if current.status != Cart.Status.CONVERTED:",
        "unit/booking/test_cart_views.py::test_a_checked_out_cart_cannot_be_changed",
    ),
    Breakage(
        "D27",
        "core/money.py",
        'return int(whole) * 100 + int(decimals.ljust(2, "0") if decimals else 0)',
        "return int(float(text) * 100)",
        "unit/core/test_money.py::test_no_paisa_is_lost_between_row_and_wire",
    ),
    Breakage(
        "D29",
        "diagnostics/views.py",
        "throttle_classes = (DiagnosisThrottle,)\n    renderer_classes = (JSONRenderer, PageRenderer",
        "renderer_classes = (JSONRenderer, PageRenderer",
        "unit/diagnostics/test_views.py::test_who_asks_too_often_is_told_to_wait",
    ),
    Breakage(
        "D29",
        "diagnostics/views.py",
        "DiagnosisSerializer if may_read_all(request) else",
        "DiagnosisSerializer if may_read_all(request) or True else",
        "unit/diagnostics/test_views.py::test_anyone_learns_no_address_no_id_and_no_error",
    ),
    Breakage(
        "D32",
        "payment/gateways.py",
        "self._api.refund(self.merchant, order)",
        "self._api.refund(order)",
        f"{GATEWAYS}::test_a_refund_is_accepted",
    ),
    Breakage(
        "D33",
        "payment/services/refunds/outcomes.py",
        "ProviderStatus.PENDING: RefundState.PENDING,",
        "ProviderStatus.PENDING: RefundState.COMPLETED,",
        f"{SENDING}::test_a_promised_refund_is_sent_asked_about_and_entered",
    ),
    Breakage(
        "D33",
        "payment/serializers/payments.py",
        'went_back=Subquery(refunds.annotate(sum=Sum("amount_paise")).values("sum"))',
        'went_back=-Sum("refunds__amount_paise")',
        f"{DEFECTS}::test_a_promised_refund_is_not_yet_a_refund",
    ),
    Breakage(
        "D34",
        "payment/services/refunds/amounts.py",
        " - going - charged_back_paise(attempt)",
        " - charged_back_paise(attempt)",
        f"{PROMISES}::test_nothing_is_promised_twice",
    ),
    Breakage(
        "D35",
        "payment/services/refunds/requests.py",
        "share = left if in_full else policy_share(booking, left, now)",
        "share = left",
        f"{PROMISES}::test_less_than_forty_eight_hours_ahead_nothing_goes_back",
    ),
    Breakage(
        "D35",
        "payment/views/refunds.py",
        'class PaymentRefundView(StaffView):\n    right = "payment.change_refund"',
        "class PaymentRefundView(APIView):",
        f"{DEFECTS}::test_no_customer_takes_their_money_back_and_keeps_their_booking",
    ),
    Breakage(
        "D47",
        "okpuja/settings.py",
        '"x" * 32 if DEBUG else "")',
        '"x" * 32)',
        "unit/okpuja/test_settings.py::test_without_a_secret_key_nothing_starts",
    ),
    Breakage(
        "D47",
        "payment/checks.py",
        "lambda: settings.DEBUG,",
        "lambda: False,",
        "unit/payment/test_checks.py::test_what_loses_money_or_leaks_is_refused_at_start",
    ),
    Breakage(
        "D48",
        "accounts/views.py",
        "throttle_classes = (ScopedThrottle,)",
        "throttle_classes = ()",
        "unit/accounts/test_views.py::test_guessing_passwords_is_slowed_down",
    ),
)

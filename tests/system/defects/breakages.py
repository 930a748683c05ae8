"""How the five gravest defects of docs/defects.md are put back: one edit, and the test that must notice.

`python -m tests.system.defects` runs it. `old` occurs once in its file. Paths of files are below the repository,
paths of tests below `tests/`. Every other wrong edit is `make mutants`' business.
"""

from typing import NamedTuple


class Breakage(NamedTuple):
    defect: str
    file: str
    old: str
    new: str
    test: str


BREAKAGES = (
    # Anybody could report a payment.
    Breakage(
        "D3",
        "payment/phonepe/v1.py",
        "return is_same(checksum, expected)",
        "return bool(checksum)",
        "unit/payment/views/test_webhooks.py::test_a_caller_who_cannot_prove_to_be_phonepe_leaves_no_trace",
    ),
    # One rupee paid for anything.
    Breakage(
        "D4",
        "payment/services/outcomes.py",
        "is_as_agreed = paise == attempt.amount_paise and",
        "is_as_agreed =",
        "unit/payment/services/test_outcomes.py::test_another_amount_is_never_booked",
    ),
    # Half an hour of network inside a transaction.
    Breakage(
        "D7",
        "core/databases.py",
        "if connection.in_atomic_block:",
        "if connection.needs_rollback:",
        "unit/payment/phonepe/test_transport.py::test_inside_a_transaction_not_even_a_connection_is_opened",
    ),
    # An ambiguous request was sent again, and the customer charged twice.
    Breakage(
        "D9",
        "payment/phonepe/errors.py",
        "return operation.idempotent",
        "return True",
        "unit/payment/test_gateways.py::test_an_ambiguous_request_gets_a_status_check_and_a_retry_only_when_unknown",
    ),
    # The same money was given back twice.
    Breakage(
        "D34",
        "payment/services/refunds/amounts.py",
        " - refunded - charged_back_paise(attempt)",
        " - charged_back_paise(attempt)",
        "unit/payment/services/refunds/test_requests.py::test_nothing_is_refunded_twice",
    ),
)

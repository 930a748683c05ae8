"""Refunds. A Refund row is never dropped: a failed one is replaced by another row with another id.

amounts    how much can be refunded, and how much the cancellation policy gives back
requests   who may request and approve a refund, and what it does to the booking
sending    one step towards PhonePe: send it, or poll its status
outcomes   `apply_refund_status`, which writes down every outcome, from wherever it is reported
"""

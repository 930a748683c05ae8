"""Money that goes back. A Refund row is a promise: it is never dropped, and a failed one is replaced.

promises   who may promise what, and how much is left
policy     how much of a cancelled booking goes back
sending    one step towards PhonePe: say it once, then ask
outcomes   `settle_refund`, where every outcome ends, from wherever it is reported
"""

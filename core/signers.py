"""Signatures for links that end."""

import time

from django.core import signing


class PeriodSigner(signing.TimestampSigner):
    """Signs as of the beginning of the current period of `period` seconds (UTC), so that an answer which has a link is
    the same for the whole period, and a browser need not load again what is behind it.
    """

    def __init__(self, *, salt: str, period: int) -> None:
        super().__init__(salt=salt)
        self.period = period

    def timestamp(self) -> str:
        return signing.b62_encode(int(time.time()) // self.period * self.period)

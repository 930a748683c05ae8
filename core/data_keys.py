"""Encrypts single values of the database. The first of DATA_KEYS writes; without any, a key derived from SECRET_KEY.

All of DATA_KEYS, and the keys derived from SECRET_KEY and SECRET_KEY_FALLBACKS, read.
"""

import base64

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


def ciphers(purpose: str) -> MultiFernet:
    """What is encrypted for one purpose is not read for another one."""
    secrets = (*settings.DATA_KEYS, settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (salted_hmac(purpose, "key", secret=secret, algorithm="sha256").digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])

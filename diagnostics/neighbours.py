"""Hops of our own beside database and cache: the disk, the mail server, the broker. None of them can stop a payment."""

import shutil
import smtplib
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from diagnostics.dependencies import Hop, exact

LEAST_FREE = 256 * 1024 * 1024  # bytes
PATIENCE = 5  # seconds
SMTP = "django.core.mail.backends.smtp.EmailBackend"
PORT_OF_BROKER = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}


def disk(least_free: int = LEAST_FREE) -> Hop:
    """Room where the database file lies, and where this process was started."""
    places = {str(_database_folder()), str(settings.BASE_DIR)}
    free, place = min((shutil.disk_usage(place).free, place) for place in places)
    hop = Hop("disk", place, detail=f"{free // 1024**2} MiB are free")
    return hop if free >= least_free else replace(hop, ok=False, fault="full")


def mail() -> Hop:
    """Connects and says EHLO as a mail would be sent; sends none."""
    if settings.EMAIL_BACKEND != SMTP:
        kind = settings.EMAIL_BACKEND.rpartition(".")[2]
        return Hop("mail", kind, detail="no mail server is configured: mails do not leave this machine")
    hop = Hop("mail", f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}")
    try:
        said = _greeted()
    except (OSError, smtplib.SMTPException) as error:
        return replace(hop, ok=False, fault="down", detail=exact(error))
    return replace(hop, detail=f"answers EHLO with {said}")


def broker() -> Hop | None:
    """Whether somebody listens at BROKER_URL; None without one. Nothing of ours needs it to take a payment."""
    if not settings.BROKER_URL:
        return None
    try:
        parts = urlsplit(settings.BROKER_URL)
        host, port = parts.hostname or "localhost", parts.port or PORT_OF_BROKER.get(parts.scheme, 5672)
    except ValueError:
        return Hop("broker", "BROKER_URL", False, "down", "BROKER_URL is no address")
    hop = Hop("broker", f"{host}:{port}")
    try:
        with socket.create_connection((host, port), PATIENCE):
            return replace(hop, detail="takes connections")
    except OSError as error:
        return replace(hop, ok=False, fault="down", detail=exact(error))


def _database_folder() -> Path:
    if connection.vendor != "sqlite":
        return settings.BASE_DIR
    folder = Path(str(connection.settings_dict["NAME"])).parent
    return folder if folder.is_dir() else settings.BASE_DIR


def _greeted() -> int:
    """The number that the server answers EHLO with, once more after STARTTLS where mails use it."""
    trust = ssl.create_default_context()
    address = (settings.EMAIL_HOST, settings.EMAIL_PORT)
    server: smtplib.SMTP
    if settings.EMAIL_USE_SSL:
        server = smtplib.SMTP_SSL(*address, timeout=PATIENCE, context=trust)
    else:
        server = smtplib.SMTP(*address, timeout=PATIENCE)
    with server:
        said, _ = server.ehlo()
        if settings.EMAIL_USE_TLS:
            server.starttls(context=trust)
            said, _ = server.ehlo()
        if said >= 400:
            raise smtplib.SMTPResponseException(said, "the server does not greet us")
        return said

"""The points in the order of the list, and their results."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from diagnostics.dependencies import describe_error
from diagnostics.golive import flow, installation, network, parts, server
from diagnostics.golive.site import FAIL, NOT_RUN, NoAnswer, Point, Site, failed

Json = dict[str, Any]


def with_play_money() -> bool:
    return settings.PHONEPE_SIMULATION_MODE


def before_production() -> bool:
    return settings.PHONEPE_ENV != "PRODUCTION" or settings.PHONEPE_SIMULATION_MODE


POINTS = (
    Point("simulation_off", "Simulation is off", installation.simulation_off),
    Point("production", "PhonePe's production", installation.production),
    Point("debug_off", "DEBUG is off", installation.debug_off),
    Point("safe_settings", "No unsafe setting", installation.safe_settings),
    Point("second_factor", "Staff have a second factor", installation.second_factor, lambda: False),
    Point("credentials", "Credentials", installation.credentials),
    Point("webhook_login", "The webhook's login", installation.webhook_login),
    Point("connectivity", "PhonePe is reached and accepts our credentials", network.connectivity),
    Point("diagnosis", "No fault is found", network.nothing_is_broken),
    Point("tls", "Certificates of PhonePe", network.tls),
    Point("clock", "Clock", network.clock),
    Point("database", "Database", network.database),
    Point("worker", "The background worker is alive", network.worker),
    Point("health", "The server is healthy", server.health),
    Point("builds", "All processes run this code", server.builds),
    Point("error_handling", "Errors are handled", server.error_handling),
    Point("final_host", "The callback URL is final, over TLS", server.final_host),
    Point("callback", "The webhook takes PhonePe's calls", network.callback),
    Point("referrer", "Our pages send their domain to PhonePe", server.referrer),
    Point("domain", "Our domain is registered with PhonePe", server.domain),
    Point("payment_initiation", "A payment can be opened", flow.payment_initiation, before_production),
    Point("full_flow", "From the cart to the booking", flow.full_flow, with_play_money),
    Point("mail", "Mail is sent", installation.mail),
    Point("message_senders", "Short messages are sent", parts.message_senders, lambda: False),
    Point("monitoring", "Alerts reach a person", installation.somebody_is_told),
    Point("backups", "Backups", installation.backups),
    Point("receipts", "Receipts and brand", parts.receipts, lambda: False),
    Point("donations", "Donations", parts.donations),
    Point("stored_secrets", "What is stored encrypted can be read", parts.stored_secrets, lambda: False),
    Point("servers", "Servers of the business", parts.servers, lambda: False),
)


def run_checklist(site: Site) -> Json:
    """`success`, `checked_at`, `build`, `environment`, `simulation`, `checks[]`: each with `check`, `title`,
    `result` (pass, fail, not-run), `required`, `reason`, `next_action`."""
    checks: list[Json] = []
    for point in POINTS:
        try:
            result = point.check(site)
        except NoAnswer as error:  # fails only the points that need the server
            result = failed(
                str(error), "Start the server; say with --at where it is, if not at PUBLIC_BASE_URL."
            )
        except (DatabaseError, InterfaceError) as error:
            result = failed(f"the database: {describe_error(error)}", "See `manage.py doctor`.")
        line = {"check": point.name, "title": point.title, "required": point.is_required()}
        checks.append(line | asdict(result))
    is_bad = [line["result"] == FAIL or (line["result"] == NOT_RUN and line["required"]) for line in checks]
    return {
        "success": not any(is_bad),
        "checked_at": timezone.localtime().isoformat(timespec="seconds"),
        "build": settings.BUILD,
        "environment": settings.PHONEPE_ENV,
        "simulation": settings.PHONEPE_SIMULATION_MODE,
        "checks": checks,
    }

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from simulator.process import add_arguments
from simulator.webhook_deliveries import WEBHOOK_PATH


class Command(BaseCommand):
    help = "Runs a PhonePe of our own, V1 and V2, as a process of its own."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)
        parser.set_defaults(webhook_url=settings.PUBLIC_BASE_URL + WEBHOOK_PATH)

    def handle(self, *args: Any, **options: Any) -> None:
        """Becomes the other process, so that it has our id and gets our signals."""
        values = {name: options[name] for name in ("port", "host", "database", "webhook_url", "seed")}
        arguments = [
            f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None
        ]
        arguments += [f"--merchant={merchant}" for merchant in options["merchant"]]
        arguments += [f"--allow-host={host}" for host in options["allow_host"]]
        environment = os.environ | {"OPS_TOKEN": settings.OPS_TOKEN, "PYTHONPATH": str(settings.BASE_DIR)}
        os.execve(sys.executable, [sys.executable, "-m", "simulator", *arguments], environment)  # noqa: S606

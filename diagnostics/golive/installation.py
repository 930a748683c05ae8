"""What the settings say."""

import re
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from core.backup_files import is_overdue, newest_made_at
from diagnostics.golive.site import Result, Site, failed, not_run, passed
from diagnostics.runner import usable_merchant
from payment.checks import DANGEROUS, UNWISE

# PhonePe's dashboard takes no other webhook login.
WEBHOOK_USERNAME = re.compile(r"\w{5,20}", re.ASCII)
WEBHOOK_PASSWORD = re.compile(r"[A-Za-z0-9]{8,20}")
POINTS_OF_THEIR_OWN = {"E001", "E002"}  # simulation and DEBUG


def simulation_off(site: Site) -> Result:
    if settings.PHONEPE_SIMULATION_MODE:
        return failed("PhonePe is simulated: no money moves", "Set PHONEPE_SIMULATION_MODE=False.")
    return passed("payments go to PhonePe")


def debug_off(site: Site) -> Result:
    if settings.DEBUG:
        return failed("DEBUG is on: error pages show settings and data to everyone", "Set DEBUG=False.")
    return passed("DEBUG is off")


def second_factor(site: Site) -> Result:
    if not settings.STAFF_SECOND_FACTOR:
        return not_run(
            "warning: staff log in with a password alone",
            "Set STAFF_SECOND_FACTOR=True: each sets up a code of an app.",
        )
    staff = User.objects.filter(is_staff=True, account_status=User.AccountStatus.ACTIVE)
    without = staff.exclude(pk__in=TOTPDevice.objects.filter(confirmed=True).values("user")).count()
    return passed(
        f"staff need a second factor; {without} of {staff.count()} set theirs up at their next login"
    )


def production(site: Site) -> Result:
    if settings.PHONEPE_ENV != "PRODUCTION":
        return failed(f"PHONEPE_ENV is {settings.PHONEPE_ENV}", "Set PHONEPE_ENV=PRODUCTION.")
    return passed("PHONEPE_ENV is PRODUCTION")


def safe_settings(site: Site) -> Result:
    """What production would refuse to start with."""
    broken = [each for is_broken, each in DANGEROUS if each.id not in POINTS_OF_THEIR_OWN and is_broken()]
    if broken:
        return failed(" ".join(f"{each.text}." for each in broken), " ".join(each.remedy for each in broken))
    unwise = [each.text for is_broken, each in UNWISE if is_broken()]
    warnings = f"; check --deploy warns: {'. '.join(unwise)}" if unwise else ""
    return passed(f"production would start with these settings{warnings}")


def credentials(site: Site) -> Result:
    merchant, problem = usable_merchant()
    if merchant is None or problem:
        return failed(problem, "Copy the credentials from PhonePe's dashboard.")
    no_app = (
        "" if settings.PHONEPE_MERCHANT_ID else "; PHONEPE_MERCHANT_ID is not: our app cannot open payments"
    )
    return passed(
        f"credentials for {merchant.identity.generation} in {merchant.identity.environment} are there{no_app}"
    )


def webhook_login(site: Site) -> Result:
    """PhonePe's rules: its dashboard accepts no other login."""
    user, password = settings.PHONEPE_WEBHOOK_USERNAME, settings.PHONEPE_WEBHOOK_PASSWORD
    if not user and not password:
        if settings.PHONEPE_WEBHOOK_SECRET:
            return passed("webhooks are authenticated by PHONEPE_WEBHOOK_SECRET")
        if settings.PHONEPE_SIMULATION_MODE:
            return not_run(
                "the simulated PhonePe has its own login", "Set it together with the real credentials."
            )
        if settings.PHONEPE_CLIENT_ID:
            return failed(
                "there is none", "Set PHONEPE_WEBHOOK_USERNAME and _PASSWORD, here and in the dashboard."
            )
        return passed("V1 webhooks are authenticated by the salt key")
    if not WEBHOOK_USERNAME.fullmatch(user):
        return failed("the name has to be 5 to 20 letters, digits and _", "Change PHONEPE_WEBHOOK_USERNAME.")
    if not WEBHOOK_PASSWORD.fullmatch(password):
        return failed("the password has to be 8 to 20 letters and digits", "Change PHONEPE_WEBHOOK_PASSWORD.")
    return passed("name and password have the form that the dashboard accepts")


def backups(site: Site) -> Result:
    """Those of `manage.py backup` by the age of the newest one; others are what somebody says."""
    if settings.BACKUP_KEY:
        return _age_of_backup()
    if settings.BACKUPS:
        return passed(f"said to be: {settings.BACKUPS}")
    if "backups" in site.acknowledged:
        return passed("a person has acknowledged them")
    return not_run(
        "BACKUPS does not say how the database is backed up",
        "Say it in BACKUPS, or run this with --acknowledge-backups. Restore one first.",
    )


def _age_of_backup() -> Result:
    made_at, now = newest_made_at(), timezone.now()
    reason = "there is none in BACKUP_DIR"
    if made_at is not None:
        reason = f"the newest one is {(now - made_at) // timedelta(hours=1)} hours old"
    if is_overdue(now):
        return failed(reason, "Run `manage.py backup`, and look why its timer does not. Restore one first.")
    return passed(reason)


def mail(site: Site) -> Result:
    """Whether the mail server works is checked by the diagnosis."""
    scheme = settings.EMAIL_URL.partition(":")[0]
    if not scheme.startswith("smtp"):
        return failed(
            f"no mail leaves this machine: EMAIL_URL is {scheme}://",
            "Set EMAIL_URL=smtp+tls://user:password@host:587.",
        )
    return passed("mail goes to a mail server")


def somebody_is_told(site: Site) -> Result:
    missing = [
        name
        for name, is_set in {
            "STAFF_EMAILS or STAFF_WEBHOOK_URL": settings.STAFF_EMAILS or settings.STAFF_WEBHOOK_URL,
            "DEAD_MAN_URL": settings.DEAD_MAN_URL,
            "OPS_TOKEN": settings.OPS_TOKEN,
        }.items()
        if not is_set
    ]
    if missing:
        return failed("nobody would be alerted", f"Set {', '.join(missing)}.")
    return passed("logs are JSON lines with a request id; staff are alerted; a silent worker raises an alarm")

"""The rules about what we depend on ourselves: database, cache, disk, worker, webhooks, mail, broker."""

from diagnostics.enums import Culprit, Verdict
from diagnostics.evidence import Evidence
from diagnostics.rule import Rule, dependency_failed


def cache_table_is_missing(evidence: Evidence) -> bool:
    """A cache in the database fails with the database: then this rule must not add advice of its own."""
    is_failed = evidence.caches_in_database and evidence.dependency_failed("cache")
    return is_failed and not evidence.dependency_failed("database", "down")


def cache_server_is_down(evidence: Evidence) -> bool:
    return evidence.dependency_failed("cache") and not evidence.caches_in_database


# Without these no payment can be made.
STOPPING: tuple[Rule, ...] = (
    Rule(
        "disk",
        Verdict.DISK_FULL,
        dependency_failed("disk", "full"),
        "The disk of our own server is full. PhonePe has nothing to do with it.",
        "Make room at {disk_target}: {disk}. A database that cannot write stops everything else.",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "down"),
        "Our own database does not answer, or does not let us in. PhonePe has nothing to do with it.",
        "Start the database ({database_target}), or correct DATABASE_URL. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "readonly"),
        "Our own database answers, but takes no writes. PhonePe has nothing to do with it.",
        "Connect to the primary server, or let this process write the file ({database_target}). It said: {database}",
    ),
    Rule(
        "database",
        Verdict.MISCONFIGURED,
        dependency_failed("database", "migrations"),
        "Our own database is older than the code that is running.",
        "Run `python manage.py migrate`: {database}.",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        cache_table_is_missing,
        "Our own cache does not work. PhonePe has nothing to do with it.",
        "Run `python manage.py createcachetable`, or correct CACHE_URL. It said: {cache}",
        culprit=Culprit.THIS_SERVER,
    ),
)

# Without these payments go on.
HAMPERING: tuple[Rule, ...] = (
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        cache_server_is_down,
        "Our own cache does not work: each process uses its own memory. PhonePe has nothing to do with it.",
        "Start the cache, or correct CACHE_URL ({cache_target}). Payments go on meanwhile, with a token and a count of "
        "requests for each process. It said: {cache}",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "worker",
        Verdict.WORKER_DOWN,
        dependency_failed("worker", "down"),
        "Due work is not done on our side: the background worker does not run, or is stuck.",
        "Start the background worker (`python manage.py work`), or restart it: {worker}.",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "redirect"),
        "PhonePe's webhooks end at a redirect, which PhonePe does not follow. Payments are found by status requests.",
        "Set PUBLIC_BASE_URL, and the webhook in PhonePe's dashboard, to the final host: {webhook_target}: {webhook}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "refuses", "changed"),
        "PhonePe's webhooks do not arrive unchanged. Payments are found by status requests.",
        "See what the proxy in front does with the header Authorization and with bodies ({webhook_target}): {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook"),
        "PhonePe's webhooks do not arrive at our public address. Payments are found by status requests.",
        "Make {webhook_target} answer as PhonePe needs it: {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook_silence", "silent"),
        "PhonePe sends us no webhooks: payments are found by status requests only.",
        "Enter {webhook_url} as the webhook in PhonePe's dashboard, with the login of the settings, for the events of "
        "orders and refunds. {webhook_silence}.",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "mail",
        Verdict.MAIL_DOWN,
        dependency_failed("mail", "down"),
        "Our mail server cannot be used: customers get their mails later. It affects neither payments nor PhonePe.",
        "Start the mail server ({mail_target}) or correct EMAIL_URL. It said: {mail}",
    ),
    Rule(
        "broker",
        Verdict.BROKER_DOWN,
        dependency_failed("broker", "down"),
        "Our own message broker cannot be reached. Payments work without it, and PhonePe has nothing to do with it.",
        "Start the broker ({broker_target}), or empty BROKER_URL: nothing here needs it. It said: {broker}",
    ),
)

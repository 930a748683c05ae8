"""Rules about our own house. The first part stops payments, the second does not."""

from diagnostics.enums import Culprit, Verdict
from diagnostics.rules.rule import (
    Rule,
    cache_elsewhere_is_down,
    clock_is_wrong,
    hop,
    table_of_the_cache_is_missing,
)

BASIS = (
    Rule(
        "disk",
        Verdict.DISK_FULL,
        Culprit.THIS_SERVER,
        hop("disk", "full"),
        "The disk of our own server is full. PhonePe has nothing to do with it.",
        "Make room at {disk_target}: {disk}. A database that cannot write stops everything else.",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        Culprit.THIS_SERVER,
        hop("database", "down"),
        "Our own database does not answer, or does not let us in. PhonePe has nothing to do with it.",
        "Start the database ({database_target}), or correct DATABASE_URL. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        Culprit.THIS_SERVER,
        hop("database", "readonly"),
        "Our own database answers, but takes no writes. PhonePe has nothing to do with it.",
        "Connect to the primary server, or let this process write the file ({database_target}). It said: {database}",
    ),
    Rule(
        "database",
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
        hop("database", "migrations"),
        "Our own database is older than the code that is running.",
        "Run `python manage.py migrate`: {database}.",
    ),
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
        table_of_the_cache_is_missing,
        "Our own cache does not work. PhonePe has nothing to do with it.",
        "Run `python manage.py createcachetable`, or correct CACHE_URL. It said: {cache}",
    ),
    Rule(
        "settings",
        Verdict.MISCONFIGURED,
        Culprit.CONFIGURATION,
        lambda facts: bool(facts.problem),
        "The settings for PhonePe are missing or contradict each other.",
        "Correct the environment and restart: {problem}",
    ),
)

CLOCK = (
    Rule(
        "clock",
        Verdict.CLOCK_SKEW,
        Culprit.THIS_SERVER,
        clock_is_wrong,
        "The clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`): it is {clock}.",
    ),
)

BESIDE = (
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
        cache_elsewhere_is_down,
        "Our own cache does not work: each process remembers by itself. PhonePe has nothing to do with it.",
        "Start the cache, or correct CACHE_URL ({cache_target}). Payments go on meanwhile, with a token and a count of "
        "requests for each process. It said: {cache}",
    ),
    Rule(
        "worker",
        Verdict.WORKER_DOWN,
        Culprit.THIS_SERVER,
        hop("worker", "down"),
        "What is due on our side is not worked off: the background worker does not run, or is stuck.",
        "Start the background worker (`python manage.py work`), or restart it: {worker}.",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        Culprit.CONFIGURATION,
        hop("webhook", "redirect"),
        "PhonePe's calls to us end at a redirect, which PhonePe does not follow. Payments are found by asking.",
        "Set PUBLIC_BASE_URL, and the webhook in PhonePe's dashboard, to the final host: {webhook_target}: {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        Culprit.THIS_SERVER,
        hop("webhook", "refuses", "changed"),
        "PhonePe's calls to us do not arrive as they were sent. Payments are found by asking.",
        "See what the proxy in front does with the header Authorization and with bodies ({webhook_target}): {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        Culprit.THIS_SERVER,
        hop("webhook"),
        "PhonePe's calls to us do not come through at our public address. Payments are found by asking.",
        "Make {webhook_target} answer as PhonePe needs it: {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        Culprit.CONFIGURATION,
        hop("webhook_silence", "silent"),
        "PhonePe does not call us: every payment is found by asking only.",
        "Enter {webhook_url} as the webhook in PhonePe's dashboard, with the login of the settings, for the events of "
        "orders and refunds. {webhook_silence}.",
    ),
    Rule(
        "mail",
        Verdict.MAIL_DOWN,
        Culprit.THIS_SERVER,
        hop("mail", "down"),
        "Our mail server cannot be used: customers are told later. Neither payments nor PhonePe are concerned.",
        "Start the mail server ({mail_target}) or correct EMAIL_URL. It said: {mail}",
    ),
    Rule(
        "broker",
        Verdict.BROKER_DOWN,
        Culprit.THIS_SERVER,
        hop("broker", "down"),
        "Our own message broker cannot be reached. Payments work without it, and PhonePe has nothing to do with it.",
        "Start the broker ({broker_target}), or empty BROKER_URL: nothing here needs it. It said: {broker}",
    ),
)

"""The rules about what we depend on ourselves: database, cache, disk, worker, webhooks, mail, broker."""

from diagnostics.enums import Culprit, Verdict
from diagnostics.evidence import (
    Rule,
    cache_server_failed,
    cache_table_is_missing,
    dependency_failed,
    sqlite_failed,
)

# Without these no payment can be made.
BLOCKING_RULES: tuple[Rule, ...] = (
    Rule(
        "disk",
        Verdict.DISK_FULL,
        dependency_failed("disk", "full"),
        "The disk of our own server is full. PhonePe has nothing to do with it.",
        "Make room at {disk_target}: {disk}. A database that cannot write stops everything else.",
    ),
    Rule(
        "database",
        Verdict.DISK_FULL,
        dependency_failed("database", "full"),
        "The disk of our own database is full. PhonePe has nothing to do with it.",
        "Make room where the database writes ({database_target}); nothing can be saved until then. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        sqlite_failed("locked"),
        "Our own database is locked by another program: nothing can be saved. PhonePe has nothing to do with it.",
        "End what writes to {database_target} (a backup, a migration, an open `sqlite3`), or let it finish. "
        "It is a lock, the file itself is in order: do not delete it. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "locked"),
        "Our own database is locked by another session: payments wait and fail. PhonePe has nothing to do with it.",
        "End the session that holds the lock ({database_target}), or let its migration or backup finish: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "connections"),
        "Our own database accepts no more connections. PhonePe has nothing to do with it.",
        "Close idle sessions of {database_target} (`SELECT * FROM pg_stat_activity`), or raise its limit "
        "(max_connections, or CONNECTION LIMIT of the role or database); each process of ours takes up to "
        "DATABASE_POOL_SIZE of them. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "login"),
        "Our own database refuses our login. PhonePe has nothing to do with it.",
        "Correct user, password and database name in DATABASE_URL, or create what it names at {database_target}, or "
        "allow our connections there (pg_hba.conf). It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "rights"),
        "Our own database accepts our login, but gives it no rights on the tables. PhonePe has nothing to do with it.",
        "Use the user in DATABASE_URL that owns the tables at {database_target}, or give this one the rights on all "
        "tables and sequences (`GRANT ALL ON ALL TABLES IN SCHEMA public TO …`, the same for SEQUENCES). It said: "
        "{database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "starting"),
        "Our own database is starting or stopping. PhonePe has nothing to do with it.",
        "Wait a minute and check again; if it stays so, read the log of {database_target}. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "damaged"),
        "Our own database is damaged, or its file is no database. PhonePe has nothing to do with it.",
        "Stop the server and the worker, keep a copy of {database_target}, and restore the last backup. It said: "
        "{database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        sqlite_failed("down", "readonly"),
        "Our own database file cannot be opened or written. PhonePe has nothing to do with it.",
        "The user that runs this server must own the file, its folder and the files -wal and -shm beside it, and be "
        "allowed to write them (`chown USER`, `chmod u+rw`): {database_target}. It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "readonly"),
        "Our own database answers, but takes no writes. PhonePe has nothing to do with it.",
        "Name the primary server in DATABASE_URL: {database_target} is a standby, or was set to read only "
        "(default_transaction_read_only). It said: {database}",
    ),
    Rule(
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("database", "down"),
        "Our own database does not answer, or refuses our login. PhonePe has nothing to do with it.",
        "Start the database ({database_target}), or correct DATABASE_URL. It said: {database}",
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
        "database",
        Verdict.DATABASE_DOWN,
        dependency_failed("cache", "database"),
        "Our own database does not serve our cache, which is a table of it. PhonePe has nothing to do with it.",
        "Look for a lock or an overload in the database ({database_target}): the cache in it said: {cache}",
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
MINOR_RULES: tuple[Rule, ...] = (
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        cache_server_failed("login"),
        "Our own cache refuses our login: each process uses its own memory. PhonePe has nothing to do with it.",
        "Correct user and password in CACHE_URL (redis://user:password@host:6379; {cache_target}), or remove the "
        "login if the server has none. Payments go on meanwhile, with a token and a count of requests for each "
        "process. It said: {cache}",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        cache_server_failed("readonly"),
        "Our own cache takes no writes: each process uses its own memory. PhonePe has nothing to do with it.",
        "Name the primary in CACHE_URL, or let the server write again: more memory or an eviction policy, room on its "
        "disk ({cache_target}). Payments go on meanwhile, with a token and a count of requests for each process. It "
        "said: {cache}",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "cache",
        Verdict.MISCONFIGURED,
        cache_server_failed(),
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
        dependency_failed("webhook", "plain"),
        "Our public address is not https, and PhonePe calls no such webhook. Payments are found by status requests.",
        "Set PUBLIC_BASE_URL, and the webhook in PhonePe's dashboard, to an https:// address with a certificate of a "
        "public authority: {webhook}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "name_unknown"),
        "The name of our public address does not exist: PhonePe's webhooks do not arrive. Payments are found by status "
        "requests.",
        "Correct PUBLIC_BASE_URL, or create the DNS record of its name; `dig @1.1.1.1 {webhook_host}` shows whether "
        "others know it: {webhook}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "no_secret"),
        "Our settings have no secret for webhooks: PhonePe's are refused. Payments are found by status requests.",
        "Set PHONEPE_WEBHOOK_USERNAME and PHONEPE_WEBHOOK_PASSWORD, or PHONEPE_WEBHOOK_SECRET, as in PhonePe's "
        "dashboard, and restart: {webhook}",
        culprit=Culprit.CONFIGURATION,
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
        "Check what the server in front of {webhook_target} does with bodies and with the header Authorization: "
        "{webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "limit"),
        "The server in front of our public address takes no bodies as long as PhonePe's webhooks. Payments are found "
        "by status requests.",
        "Raise the limit of the server in front of {webhook_target} (nginx: client_max_body_size): {webhook}",
    ),
    Rule(
        "webhook",
        Verdict.WEBHOOK_UNREACHABLE,
        dependency_failed("webhook", "private"),
        "Our public address belongs to a private network: PhonePe's webhooks do not arrive. Payments are found by "
        "status requests.",
        "Set PUBLIC_BASE_URL, and the webhook in PhonePe's dashboard, to the https:// address that customers use: "
        "{webhook}",
        culprit=Culprit.CONFIGURATION,
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
        dependency_failed("mail", "login"),
        "Our mail server does not take our login: customers get no mails. It affects neither payments nor PhonePe.",
        "Correct user and password in EMAIL_URL ({mail_target}; special characters as %40 and the like; some providers "
        "want an app password), or remove the login if the server has none. It said: {mail}",
    ),
    Rule(
        "mail",
        Verdict.MAIL_DOWN,
        dependency_failed("mail", "encryption"),
        "Our mail server and EMAIL_URL encrypt in different ways: customers get no mails. It affects neither payments "
        "nor PhonePe.",
        "Use the scheme of the port in EMAIL_URL: smtps:// where the server encrypts from the start (465), smtp+tls:// "
        "where it offers STARTTLS (587, 25), smtp:// where it does neither ({mail_target}). It said: {mail}",
    ),
    Rule(
        "mail",
        Verdict.MAIL_DOWN,
        dependency_failed("mail", "certificate"),
        "The certificate of our mail server is not trusted: customers get no mails. It affects neither payments nor "
        "PhonePe.",
        "Name the mail server in EMAIL_URL as its certificate does ({mail_target}), or have its certificate renewed. "
        "It said: {mail}",
    ),
    Rule(
        "mail",
        Verdict.MAIL_DOWN,
        dependency_failed("mail"),
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

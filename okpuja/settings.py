"""The one settings file. Everything that differs between installations comes from the environment,
is read once, here, and stands in `.env.example` with half a line of explanation."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from okpuja.build import fingerprint
from okpuja.environment import (
    LONGEST_HOURS_AHEAD,
    address,
    amounts,
    boolean,
    cache,
    choice,
    colour,
    credential,
    database,
    former_credentials,
    frontend,
    header_name,
    host_name,
    hours_ahead,
    mail,
    name_server,
    number,
    origin,
    picture,
    purposes,
    rate,
    refund_policy,
    secret,
    simulator_credentials,
    simulator_target,
    text,
    time_zone,
    web_address,
    words,
)
from okpuja.serving_address import read_address

BASE_DIR = Path(__file__).resolve().parent.parent
# Taken when the process starts: what it runs, not what has been deployed since.
BUILD = fingerprint(BASE_DIR)

# Tests and servers started by tests set DOTENV_FILE to nothing: what they see is what they were given.
if DOTENV_FILE := os.environ.get("DOTENV_FILE", str(BASE_DIR / ".env")):
    load_dotenv(DOTENV_FILE)
# Written by `manage.py serve` and `manage.py dev`, beside .env.
SERVING_ADDRESS_FILE = Path(DOTENV_FILE).with_name(".serving-address") if DOTENV_FILE else None
# What this process writes is its own: the SQLite file, mails, logs. Their readers would read people's data.
os.umask(0o077)

# --- Django -----------------------------------------------------------------------------------

DEBUG = boolean("DEBUG", False)
SECRET_KEY = secret("SECRET_KEY", "insecure-and-for-debug-only-" + "x" * 32 if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. `make run` writes one into .env")
SECRET_KEY_FALLBACKS = words("SECRET_KEY_FALLBACKS")

serving_address = read_address(SERVING_ADDRESS_FILE) if SERVING_ADDRESS_FILE else ""
PUBLIC_BASE_URL = address("PUBLIC_BASE_URL", serving_address or "http://127.0.0.1:8000").rstrip("/")
FRONTEND_BASE_URL = address("FRONTEND_BASE_URL").rstrip("/")
# Further addresses of the shop: `URL` or `URL|waiting=/page`. A customer who pays from one of them comes back to it.
FRONTENDS = words("FRONTENDS", "", frontend)
ALLOWED_HOSTS = words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]", host_name)
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", "", origin)
PHONEPE_ENV = choice("PHONEPE_ENV", "UAT", ("UAT", "PRODUCTION"))
# Beside real money no page is trusted that nobody has named.
CORS_ALLOWED_ORIGINS = words(
    "CORS_ALLOWED_ORIGINS", "" if PHONEPE_ENV == "PRODUCTION" else "http://localhost:3000", origin
)
# What clients send beside the library's defaults: ours, those of caches, and those of tools that trace requests.
CORS_ALLOW_HEADERS = (
    *default_headers,
    *("idempotency-key", "x-request-id"),
    *("cache-control", "expires", "if-modified-since", "if-none-match", "pragma"),
    *("baggage", "sentry-trace", "traceparent", "tracestate", "elastic-apm-traceparent", "newrelic"),
    *(f"x-datadog-{name}" for name in ("origin", "parent-id", "sampling-priority", "trace-id")),
    *(f"x-b3-{name}" for name in ("flags", "parentspanid", "sampled", "spanid", "traceid")),
    "b3",
    *(name.lower() for name in words("CORS_EXTRA_HEADERS", "", header_name)),
)
# What a browser may read of our answers, beside what it may always.
CORS_EXPOSE_HEADERS = (
    "content-disposition",
    "idempotent-replayed",
    "link",
    "retry-after",
    "x-bookings-left",
    "x-request-id",
)
NUM_PROXIES = number("NUM_PROXIES", 0, at_most=10)
OPS_TOKEN = credential("OPS_TOKEN")
DEMO_PASSWORD = secret("DEMO_PASSWORD")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "okpuja.admin_site.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "simple_history",
    "corsheaders",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",  # for its migrations: accounts 0005 emptied its tables
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "accounts",
    "booking",
    "notifications",
    "payment",
    "storefront",
    "backoffice",
    "diagnostics",
    "worker",
    "simulator",
]

MIDDLEWARE = [
    "core.logging.RequestIdMiddleware",
    "core.middleware.BrowserRulesMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "core.middleware.JsonErrorMiddleware",
    "core.middleware.LastSlashMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.middleware.BodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backoffice.language.DeskLanguageMiddleware",
    "core.page_rates.AdminRateMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",  # who changes a row
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "okpuja.urls"
APPEND_SLASH = False  # it redirects, and a POST loses its body: LastSlashMiddleware finds both spellings
WSGI_APPLICATION = "okpuja.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "backoffice" / "templates"],  # before those of unfold, for its base_site.html
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.brand.page_context",
            ]
        },
    }
]

# Staff log in with a code of an app, too (accounts/second_factor.py). Off: a person who has set one up is asked for it.
STAFF_SECOND_FACTOR = boolean("STAFF_SECOND_FACTOR", False)
AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"  # unfold's login page forgets where it was to lead
AUTHENTICATION_BACKENDS = ["accounts.login_guard.GuardedBackend"]
# The first one writes. The others only read: a login with one of them stores the password again (docs/decisions.md).
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2Hasher",
    *(f"django.contrib.auth.hashers.{name}PasswordHasher" for name in ("PBKDF2", "PBKDF2SHA1", "Scrypt")),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-in"
LANGUAGES = [("en-in", "English"), ("hi", "हिन्दी")]  # of texts for customers: core/language.py
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "okpuja.formats"
TIME_ZONE = time_zone("TIME_ZONE", "Asia/Kolkata")
USE_TZ = True
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # straight from the packages: no build step between a clone and a working admin

# PhonePe refuses orders whose page was opened without a referrer (docs/phonepe.md, "The page").
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if NUM_PROXIES else None
SESSION_COOKIE_AGE = 12 * 3_600  # seconds after a login to the admin; the worker deletes the rows
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_BASE_URL.startswith("https://")
CSRF_FAILURE_VIEW = "storefront.views.page.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Browsers remember for a year that this host is never asked over http.
SECURE_HSTS_SECONDS = 31_536_000 if SESSION_COOKIE_SECURE else 0
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
# These routes take a picture of 5 MB (accounts/pictures.py) with what stands around it.
UPLOAD_PATHS = (
    *("/api/auth/profile/picture", "/api/auth/pancard"),
    *("/api/puja/services/create", "/api/puja/services/0", "/admin/desk/catalogue/0"),
)
UPLOAD_BODY_BYTES = FILE_UPLOAD_MAX_MEMORY_SIZE = 6 * 1_048_576
# Pictures of people: outside of what any server serves, one folder for all servers and workers.
UPLOADS_DIR = secret("UPLOADS_DIR", str(BASE_DIR / "uploads"))
# Encrypt numbers of identity cards; the first one writes, all of them read. Empty: a key derived from SECRET_KEY.
DATA_KEYS = words("DATA_KEYS")
REQUEST_BODY_SECONDS = number("REQUEST_BODY_SECONDS", 20, at_least=1, at_most=300)

# --- Database and cache ------------------------------------------------------------------------

DATABASE_URL = secret("DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}")
# Of one process. The lanes of a server have up to twice gunicorn's `--threads` and four more (okpuja/lanes.py).
DATABASE_POOL_SIZE = number("DATABASE_POOL_SIZE", 20, at_least=2, at_most=1_000)

# PostgreSQL plans the statements of a payment once on each connection. Noticed by itself: a pooler in transaction mode.
DATABASE_PREPARED_STATEMENTS = boolean("DATABASE_PREPARED_STATEMENTS", True)

DATABASES = {"default": database(DATABASE_URL, pool_size=DATABASE_POOL_SIZE)}
if test_database := secret("TEST_DATABASE_NAME"):
    DATABASES["default"]["TEST"] = {"NAME": test_database}
if replica := secret("DATABASE_REPLICA_URL"):
    standby = database(replica, "DATABASE_REPLICA_URL", pool_size=DATABASE_POOL_SIZE)
    DATABASES["replica"] = standby | {"TEST": {"MIRROR": "default"}}
    DATABASE_ROUTERS = ["core.replica.Router"]
CACHE_URL = secret("CACHE_URL", "db://cache")
CACHES = {
    "default": cache(CACHE_URL),
    # Pages of the shop for visitors without a login, in each process: no request leaves it for them.
    "pages": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "pages",
        "OPTIONS": {"MAX_ENTRIES": 200},
    },
}

# --- REST --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.ActiveUserAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "core.parsers.JSONParser",
        "core.parsers.FormParser",
        "core.parsers.MultiPartParser",
    ],
    "DEFAULT_PAGINATION_CLASS": "core.pagination.BoundedArray",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "core.errors.handle_exception",
    "NUM_PROXIES": NUM_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DEFAULT_THROTTLE_CLASSES": ["core.throttling.ScopedThrottle"],
    # `throttle_scope` of a view, with one rate for each: by user, without a login by network (core.throttling).
    "DEFAULT_THROTTLE_RATES": {
        "user": rate("USER_RATE", "300/min"),  # every route without a rate of its own
        "login": rate("LOGIN_RATE", "120/min"),
        "code": rate("CODE_RATE", "60/hour"),
        "session": rate("SESSION_RATE", "300/min"),
        "register": rate("REGISTER_RATE", "300/hour"),
        "payment": rate("PAYMENT_RATE", "10/min"),
        "guest_payment": f"{number('PAYMENT_GUEST_PER_MINUTE', 6, at_least=1, at_most=100_000)}/min",
        "promo": rate("PROMO_RATE", "20/min"),
        "upload": rate("UPLOAD_RATE", "30/min"),
        "receipt": rate("RECEIPT_RATE", "30/min"),
        "calendar": rate("CALENDAR_RATE", "120/min"),
        "demo_payment": rate("DEMO_PAYMENT_RATE", "10/min"),
        "simulation": rate("SIMULATION_RATE", "60/min"),
        "diagnosis": rate("DIAGNOSIS_RATE", "20/min"),
        "api_key": rate("API_KEY_RATE", "600/min"),
        "schema": rate("SCHEMA_RATE", "30/min"),
    },
}
# A login ends after so many days without a refresh, and after so many in all.
SESSION_IDLE_DAYS = number("SESSION_IDLE_DAYS", 7, at_least=1, at_most=365)
SESSION_LONGEST_DAYS = number("SESSION_LONGEST_DAYS", 30, at_least=1, at_most=365)
SIMPLE_JWT = {
    "AUTH_TOKEN_CLASSES": ("accounts.sessions.SessionAccess",),
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=60),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OkPuja payments",
    "DESCRIPTION": "Puja bookings, paid through PhonePe. Amounts are rupees as strings with two decimals.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # 200 operations and their shapes at once take a slow machine a quarter of a minute to draw.
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "docExpansion": "none",
        "filter": True,
        "defaultModelsExpandDepth": -1,
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.schema.add_refusals",
        "simulator.openapi.add_control",
        "okpuja.openapi.teach",
    ],
    "ENUM_NAME_OVERRIDES": {
        "PaymentStatusEnum": "payment.serializers.payments.STATUSES",
        "PageStatusEnum": "payment.services.page_status.PageStatus",
        "BookingStatusEnum": "payment.serializers.bookings.BOOKING_STATUSES",
        "MailLanguageEnum": "accounts.models.User.Language",
        "PackageLanguageEnum": "booking.models.Package.Language",
        "AccountStatusEnum": "accounts.models.User.AccountStatus",
        "CartServiceTypeEnum": "booking.models.Cart.ServiceType",
        "PujaTypeEnum": "booking.models.PujaService.Type",
        "ServerEventTypeEnum": "payment.models.ServerEvent.Type",
        "PromoDiscountEnum": "booking.models.PromoCode.DiscountType",
    },
}

# --- The shop ------------------------------------------------------------------------------------

# Our own pages for customers. Off unless somebody wants them: most installations have a frontend of their own.
STOREFRONT = boolean("STOREFRONT", False)
# What pages, mails, receipts and the admin show of the business (core/brand.py).
BRAND_NAME = text("BRAND_NAME", "OkPuja")
BRAND_LOGO = picture("BRAND_LOGO")
OTP_TOTP_ISSUER = BRAND_NAME  # what the app of a second factor shows
BRAND_COLOUR = colour("BRAND_COLOUR", "#a8380b")
BRAND_EMAIL = text("BRAND_EMAIL")
BRAND_PHONE = text("BRAND_PHONE")
BRAND_ADDRESS = [line.strip() for line in text("BRAND_ADDRESS").split("|") if line.strip()]
BRAND_LEGAL = [line.strip() for line in text("BRAND_LEGAL").split("|") if line.strip()]

UNFOLD = {
    "SITE_TITLE": BRAND_NAME,
    "SITE_HEADER": BRAND_NAME,
    "SITE_URL": "/" if STOREFRONT else None,  # without the shop nothing is at our own root
    "LOGIN": {"image": None, "redirect_after": None, "form": "accounts.admin_login.LoginForm"},
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": f"{STATIC_URL}payment/icon.svg"}],
    # The colour of the brand in unfold's steps, from nearly white to nearly black.
    "COLORS": {
        "primary": {
            **{
                f"{step}": f"color-mix(in oklab, {BRAND_COLOUR} {share}%, white)"
                for step, share in ((50, 6), (100, 12), (200, 25), (300, 45), (400, 60), (500, 70))
            },
            "600": BRAND_COLOUR,
            **{
                f"{step}": f"color-mix(in oklab, {BRAND_COLOUR} {share}%, black)"
                for step, share in ((700, 90), (800, 75), (900, 60), (950, 40))
            },
        }
    },
    "ACCOUNT": {"navigation": "backoffice.navigation.account_links"},
    "SIDEBAR": {
        "navigation": "backoffice.navigation.navigation",
        "show_search": True,
        "command_search": True,
    },
    "ENVIRONMENT": "backoffice.navigation.environment_badge",
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {
        "navigation": "backoffice.language.languages",
        "action": "backoffice.language.language_address",
    },
}

# --- Mail --------------------------------------------------------------------------------------

EMAIL_URL = secret("EMAIL_URL", f"file://{BASE_DIR / 'mail'}")
EMAIL_TIMEOUT = number("EMAIL_TIMEOUT", 10, at_least=1, at_most=120)
globals().update(mail(EMAIL_URL))
# Who sends one-time codes, by dotted path: docs/code-senders.md.
CODE_SENDER = text("CODE_SENDER", "notifications.code_sender.MailSender")
# Who carries short messages to phones, by dotted path: docs/message-senders.md. Empty: nobody.
MESSAGE_SENDER = text("MESSAGE_SENDER")
# Whether the account exists only after its code. Then nobody learns by registering who has an account.
REGISTRATION_BY_CODE = boolean("REGISTRATION_BY_CODE", False)
# To one address within a day; what tells of money that came waits for the next one, the rest is dropped.
MAILS_PER_ADDRESS = number("MAILS_PER_ADDRESS", 30, at_least=1, at_most=10_000)
# To one phone within a day; more are dropped: the mail says the same.
TEXTS_PER_PHONE = number("TEXTS_PER_PHONE", 10, at_least=1, at_most=10_000)
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", "bookings@example.com")
# Alerts go to these people, and as signed JSON to this address.
STAFF_EMAILS = words("STAFF_EMAILS", is_exact=False)
STAFF_WEBHOOK_URL = address("STAFF_WEBHOOK_URL")
STAFF_WEBHOOK_SECRET = secret("STAFF_WEBHOOK_SECRET")
# Who issues receipts: name, then lines such as an address and a tax number.
RECEIPT_ISSUER = text("RECEIPT_ISSUER", "|".join((BRAND_NAME, *BRAND_ADDRESS, *BRAND_LEGAL))).split("|")
# Without it nothing is taxed. Prices include the tax. A puja may have a service code of its own.
GST_GSTIN, GST_SAC, GST_RATE = text("GST_GSTIN"), text("GST_SAC", "999591"), text("GST_RATE", "18")
# Called every minute while the worker is on time: a monitoring service alerts when the calls stop.
DEAD_MAN_URL = address("DEAD_MAN_URL")

# --- PhonePe -----------------------------------------------------------------------------------
# Raw values; `payment.phonepe.credentials` turns them into merchants and endpoints and says what is wrong with them.

PHONEPE_SIMULATION_MODE = boolean("PHONEPE_SIMULATION_MODE", False)
PHONEPE_API_VERSION = choice("PHONEPE_API_VERSION", "auto", ("auto", "v1", "v2"))
PHONEPE_MERCHANT_ID = credential("PHONEPE_MERCHANT_ID")
PHONEPE_SALT_KEY = credential("PHONEPE_SALT_KEY") or credential("PHONEPE_MERCHANT_KEY")
PHONEPE_SALT_INDEX = number("PHONEPE_SALT_INDEX", 1, at_least=1, at_most=999)
PHONEPE_CLIENT_ID = credential("PHONEPE_CLIENT_ID")
PHONEPE_CLIENT_SECRET = credential("PHONEPE_CLIENT_SECRET")
PHONEPE_CLIENT_VERSION = number("PHONEPE_CLIENT_VERSION", 1, at_least=1, at_most=9_999)
PHONEPE_BASE_URL = secret("PHONEPE_BASE_URL")
PHONEPE_AUTH_BASE_URL = secret("PHONEPE_AUTH_BASE_URL")
PHONEPE_FALLBACK_BASE_URLS = words("PHONEPE_FALLBACK_BASE_URLS")
PHONEPE_PROXY_URL = secret("PHONEPE_PROXY_URL")
# Pages and leases that are stored are judged by these bounds: the settings may change while they are open.
LONGEST_EXPIRE_AFTER, LONGEST_DEADLINE = 3_600, 295
PHONEPE_CONNECT_TIMEOUT = number("PHONEPE_CONNECT_TIMEOUT", 30, at_least=1, at_most=LONGEST_DEADLINE)
PHONEPE_READ_TIMEOUT = number("PHONEPE_READ_TIMEOUT", 60, at_least=1, at_most=LONGEST_DEADLINE)
PHONEPE_DEADLINE = number("PHONEPE_DEADLINE", 20, at_least=1, at_most=LONGEST_DEADLINE)
PHONEPE_MAX_RETRIES = number("PHONEPE_MAX_RETRIES", 3, at_most=20)
PHONEPE_CALLS_AT_ONCE = number("PHONEPE_CALLS_AT_ONCE", 4, at_least=1, at_most=1_000)
PHONEPE_POLLS_AT_ONCE = number("PHONEPE_POLLS_AT_ONCE", 4, at_least=1, at_most=200)
PHONEPE_SSL_VERIFY = boolean("PHONEPE_SSL_VERIFY", True)
PHONEPE_CA_BUNDLE = secret("PHONEPE_CA_BUNDLE")
PHONEPE_WEBHOOK_USERNAME = secret("PHONEPE_WEBHOOK_USERNAME")
PHONEPE_WEBHOOK_PASSWORD = secret("PHONEPE_WEBHOOK_PASSWORD")
PHONEPE_WEBHOOK_SECRET = secret("PHONEPE_WEBHOOK_SECRET")
PHONEPE_EXPIRE_AFTER = number("PHONEPE_EXPIRE_AFTER", 900, at_least=300, at_most=LONGEST_EXPIRE_AFTER)
PHONEPE_PREFILL_PHONE = boolean("PHONEPE_PREFILL_PHONE", True)
PHONEPE_PREVIOUS = former_credentials("PHONEPE_PREVIOUS")

# Where forms of our pages may lead, redirects included: here, back to the shop, to a page of PhonePe.
FORM_TARGETS = (
    "'self'",
    "https://*.phonepe.com",
    *{
        "{0.scheme}://{0.netloc}".format(urlsplit(url.partition("|")[0]))
        for url in (PUBLIC_BASE_URL, FRONTEND_BASE_URL, *FRONTENDS)
        if url
    },
    *{
        target
        for url in (PHONEPE_BASE_URL, *PHONEPE_FALLBACK_BASE_URLS)
        if (target := simulator_target(url.partition("|")[0]))
    },
)

# The simulated PhonePe, by dotted path: no code outside the URL configuration imports it.
SIMULATOR_ADAPTER = "simulator.adapter.SimulatorAdapter"
SIMULATOR_ORIGIN = "http://phonepe.simulator"
SIMULATOR_DELIVERS = boolean("SIMULATOR_DELIVERS", True)
# Who may operate it, by dotted path for the same reason.
SIMULATOR_MAY_CONTROL = "simulator.control_auth.may_control"
# Its keys: random ones, unless programs of others are tried with the published ones.
SIMULATOR_PUBLISHED_KEYS = boolean("SIMULATOR_PUBLISHED_KEYS", False)
SIMULATOR_CREDENTIALS = {} if SIMULATOR_PUBLISHED_KEYS else simulator_credentials(SECRET_KEY)
OPS_TOKEN_CHECK = "core.ops_token.is_ops_token"  # noqa: S105 - how the simulator counts guesses in the shop

# --- Diagnosis ---------------------------------------------------------------------------------

# Hosts that have nothing to do with PhonePe: if they can't be reached either, PhonePe is not the one to blame.
# The first one also reports our public address.
DIAGNOSIS_CONTROL_URLS = words(
    "DIAGNOSIS_CONTROL_URLS",
    "https://one.one.one.one/cdn-cgi/trace,https://www.google.com/generate_204",
    web_address,
)
# address[:port] of name servers to ask beside the system's resolver; empty: those of this system.
DIAGNOSIS_NAME_SERVERS = words("DIAGNOSIS_NAME_SERVERS", "", name_server)
# Private networks in which PhonePe's names may lie, e.g. behind a gateway of ours.
DIAGNOSIS_TRUSTED_NETWORKS = words("DIAGNOSIS_TRUSTED_NETWORKS", "", ip_network)
DIAGNOSIS_CA_BUNDLE = secret("DIAGNOSIS_CA_BUNDLE")
DIAGNOSIS_EVERY_MINUTES = number("DIAGNOSIS_EVERY_MINUTES", 5, at_most=24 * 60)
# Only checked. Due work is rows in the database, so that no payment needs a broker.
BROKER_URL = secret("BROKER_URL")
# In words: where backups are stored, and when one was restored last. `manage.py golive` checks it.
BACKUPS = text("BACKUPS")
# Of `manage.py backup` and `restore`: the folder, the secret that encrypts the files, and for how long they are kept.
BACKUP_DIR = secret("BACKUP_DIR", str(BASE_DIR / "backups"))
BACKUP_KEY = secret("BACKUP_KEY")
BACKUP_KEEP_DAYS = number("BACKUP_KEEP_DAYS", 30, at_least=1, at_most=10_000)

# --- Taking money --------------------------------------------------------------------------------

PAYMENT_ENABLED = boolean("PAYMENT_ENABLED", True)
PAYMENT_GUEST_CHECKOUT = boolean("PAYMENT_GUEST_CHECKOUT", True)
PAYMENT_GUEST_MAX_RUPEES = number("PAYMENT_GUEST_MAX_RUPEES", 50_000, at_least=1, at_most=10_000_000)
# The donation page of the shop, and what stands on it. PAN and receipt lines only if DONATION_80G has lines.
DONATION_PAGE = boolean("DONATION_PAGE", False)
DONATION_AMOUNTS = amounts("DONATION_AMOUNTS", "101,251,501,1100,5100", PAYMENT_GUEST_MAX_RUPEES)
DONATION_PURPOSES = purposes("DONATION_PURPOSES")
DONATION_80G = [line.strip() for line in text("DONATION_80G").split("|") if line.strip()]
PAYMENT_TIME_SCALE = number("PAYMENT_TIME_SCALE", 1, at_least=1, at_most=10_000)
REFUND_FULL_HOURS = number("REFUND_FULL_HOURS", 48, at_most=LONGEST_HOURS_AHEAD)
REFUND_POLICY = refund_policy(text("REFUND_POLICY", f"{REFUND_FULL_HOURS}:100"))
REFUND_SECOND_PERSON_ABOVE = number("REFUND_SECOND_PERSON_ABOVE", 10_000, at_most=10_000_000)
REFUND_EXPECTED_DAYS = number("REFUND_EXPECTED_DAYS", 7, at_least=1, at_most=90)
# How long a link that staff send is good, unless the puja begins before.
PAY_LINK_HOURS = number("PAY_LINK_HOURS", 24, at_least=1, at_most=7 * 24)
# Rupees: a larger difference of counted cash needs a second person.
CASH_DIFFERENCE_ABOVE = number("CASH_DIFFERENCE_ABOVE", 100, at_most=10_000_000)
OFFER_HOURS = number("OFFER_HOURS", 24, at_least=1, at_most=60 * 24)  # its link lives no longer
# The temple moves no booking to a start that is nearer than this: the customer chooses by a link.
MOVE_NOTICE_HOURS = number("MOVE_NOTICE_HOURS", 24, at_most=LONGEST_HOURS_AHEAD)
MOVED_REFUND_IN_FULL = boolean("MOVED_REFUND_IN_FULL", True)
# A customer moves a booking so often, until so many hours before its start.
CUSTOMER_MOVES = number("CUSTOMER_MOVES", 2, at_most=20)
CUSTOMER_MOVE_HOURS = number("CUSTOMER_MOVE_HOURS", 24, at_most=LONGEST_HOURS_AHEAD)
# So long a place is held for whoever is next on the waiting list of a full time.
WAITING_OFFER_MINUTES = number("WAITING_OFFER_MINUTES", 60, at_least=5, at_most=7 * 24 * 60)
# Customers are reminded of a booking so many hours before its start.
REMINDER_HOURS = hours_ahead("REMINDER_HOURS", "24,1")
# The worker compares the day before with PhonePe's records.
RECONCILE_NIGHTLY = boolean("RECONCILE_NIGHTLY", True)
# Records that the worker deletes after so many days, 0: never (payment/services/retention.py). Money stays for ever.
KEEP_GATEWAY_CALLS_DAYS = number("KEEP_GATEWAY_CALLS_DAYS", 180, at_most=36_500)
KEEP_WEBHOOKS_DAYS = number("KEEP_WEBHOOKS_DAYS", 400, at_most=36_500)
KEEP_NOTIFICATIONS_DAYS = number("KEEP_NOTIFICATIONS_DAYS", 400, at_most=36_500)
KEEP_SERVER_EVENTS_DAYS = number("KEEP_SERVER_EVENTS_DAYS", 60, at_most=36_500)
KEEP_DRAWN_RECEIPTS_DAYS = number("KEEP_DRAWN_RECEIPTS_DAYS", 90, at_most=36_500)
KEEP_CARTS_DAYS = number("KEEP_CARTS_DAYS", 90, at_most=36_500)
# Nearer starts cannot be bought: the temple needs this long after the last second of a payment page.
BOOKING_LEAD_MINUTES = number("BOOKING_LEAD_MINUTES", 60, at_most=7 * 24 * 60)
# Unpaid holds of customers without a booking (booking/services/hold_limits.py).
HOLDS_PER_NETWORK = number("HOLDS_PER_NETWORK", 10, at_least=2, at_most=100_000)
HOLD_NETWORK_PERCENT = number("HOLD_NETWORK_PERCENT", 25, at_least=1, at_most=100)
HOLD_NEW_PERCENT = number("HOLD_NEW_PERCENT", 90, at_least=1, at_most=100)
# After places that anybody held and did not pay for; doubled each time, an hour at most.
HOLD_COOL_DOWN_MINUTES = number("HOLD_COOL_DOWN_MINUTES", 5, at_most=60)
OPENING_HOUR = number("OPENING_HOUR", 6, at_most=23)
CLOSING_HOUR = number("CLOSING_HOUR", 21, at_most=23)
if OPENING_HOUR > CLOSING_HOUR:
    raise ImproperlyConfigured(
        f"OPENING_HOUR ({OPENING_HOUR}) is later than CLOSING_HOUR ({CLOSING_HOUR}): no time could be booked"
    )

LOG_FORMAT = choice("LOG_FORMAT", "json", ("json", "console"))
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request": {"()": "core.logging.RequestIdFilter"}},
    "formatters": {
        "json": {"()": "core.logging.JsonFormatter"},
        "console": {"()": "core.logging.ConsoleFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["request"]}
    },
    "root": {"handlers": ["console"], "level": choice("LOG_LEVEL", "INFO", LEVELS)},
    "loggers": {
        # Of the development server: okpuja.access has written the line, and the reloader prints its own.
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django.utils.autoreload": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        "fontTools": {"level": "WARNING"},  # it logs every glyph of a receipt
    },
}

"""Every setting, in one place; `.env.example` says what each variable is for."""

from pathlib import Path

from config import backends, service_map
from config.environment import REQUIRED, Environment, network, one_of, rate, url
from config.logging import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(BASE_DIR)

APP_ENV = env.profile
DEBUG = env.flag("DEBUG", default=False)
if DEBUG and APP_ENV == "prod":
    env.fault("DEBUG", "cannot be on in prod")
SECRET_KEY = env.secret("SECRET_KEY", dev="dev-only-key-that-signs-nothing-of-value-0123456789-abcdef", minimum=50)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", REQUIRED, dev=["localhost", "127.0.0.1", "[::1]"])

# Parts

INSTALLED_APPS = [
    "reconciliation",
    "payments",
    "fraud",
    "orders",
    "config.apps.BackOfficeConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "rest_framework",
    "config.apps.ApiAccessConfig",
    "drf_spectacular",
    "django_filters",
    "config",  # last: the groups it makes after a migration need every app's permissions
]
# None of these compresses what it answers: beside text that somebody else can choose, the length of a compressed page
# tells its secrets letter by letter (BREACH). Collected static files hold none, and are compressed beforehand.
MIDDLEWARE = [
    "config.middleware.RequestLog",
    "config.middleware.ResponseHeaders",
    "config.middleware.Cors",
    "config.limits.AddressLimit",
    "config.middleware.RequestLimits",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.Direct",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.time_zones.TimeZone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "payments.idempotency.middleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["config.authentication.PermissionBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# Where things are kept

DB_POOL_MIN_SIZE = env.integer("DB_POOL_MIN_SIZE", 1, maximum=1000)
DB_POOL_MAX_SIZE = env.integer("DB_POOL_MAX_SIZE", 0, maximum=1000)
DB_POOL_TIMEOUT = env.seconds("DB_POOL_TIMEOUT", 5)
if 0 < DB_POOL_MAX_SIZE < DB_POOL_MIN_SIZE:
    env.fault("DB_POOL_MIN_SIZE", "is above DB_POOL_MAX_SIZE")
DB_CONN_MAX_AGE = env.integer("DB_CONN_MAX_AGE", 60, maximum=86_400)
_databases = backends.Databases(
    BASE_DIR, max_age=DB_CONN_MAX_AGE, pool=(DB_POOL_MIN_SIZE, DB_POOL_MAX_SIZE, DB_POOL_TIMEOUT)
)
DATABASES = {"default": env.parsed("DATABASE_URL", _databases.parse, "sqlite:///var/paydesk.sqlite3")}
env.attempt("DATABASE_URL", lambda: backends.make_folder(DATABASES["default"]))
DATABASE_URL = env.text("DATABASE_URL", "sqlite:///var/paydesk.sqlite3")
REDIS_URL = env.optional("REDIS_URL", url("redis", "rediss"))
CACHES = backends.caches(REDIS_URL)
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not (STATIC_ROOT / "staticfiles.json").exists()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.storage.HashedWhenCollected"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
REPORT_UPLOAD_MAX_SIZE = 100 * 1024 * 1024

# The web server

PORT = env.integer("PORT", 8000, minimum=1, maximum=65_535)
WEB_HOST = env.text("WEB_HOST", "127.0.0.1")
WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 1, minimum=1, maximum=256)
WEB_THREADS = env.integer("WEB_THREADS", 16, minimum=1, maximum=1024)

# Behind TLS

HTTPS_ONLY = env.flag("HTTPS_ONLY", default=True, dev=False)
PROXY_SSL_HEADER = env.optional("PROXY_SSL_HEADER")
if PROXY_SSL_HEADER:
    SECURE_PROXY_SSL_HEADER = (f"HTTP_{PROXY_SSL_HEADER.upper().replace('-', '_')}", "https")
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CORS_ALLOWED_ORIGINS = env.words("CORS_ALLOWED_ORIGINS", each=url("http", "https"))
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0, maximum=10)

# The API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["config.permissions.RequiredPermissions"],
    "DEFAULT_THROTTLE_CLASSES": ["config.limits.TokenLimit"],
    "DEFAULT_PARSER_CLASSES": ["config.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "config.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["config.filters.StrictFilters"],
    "DEFAULT_SCHEMA_CLASS": "config.openapi.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": "config.permissions.AllowedMethods",
    "EXCEPTION_HANDLER": "config.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "NUM_PROXIES": TRUSTED_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": None, "AUTO_REFRESH": False}
SPECTACULAR_SETTINGS = {
    "TITLE": "Paydesk API",
    "VERSION": "1",
    "DESCRIPTION": (
        "Orders, checkouts, charges, refunds and fraud decisions. Amounts are integers in the currency's minor unit. "
        "Every error is a problem document with a stable code; a method that an address does not know is answered "
        "405 with `Allow`. Every answer carries `X-Request-ID`; send your own and it is used."
    ),
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/v1",
    "OAS_VERSION": "3.1.0",
    "SORT_OPERATIONS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.openapi.links.complete"],
    "ENUM_NAME_OVERRIDES": {
        "SagaState": "payments.models.SagaExecution.State",
        "SagaStepState": "payments.models.SagaStep.State",
        "WebhookEventStatus": "payments.models.WebhookEvent.Status",
        "ClientEventType": "payments.models.client_events.KINDS",
        "WebhookEndpointStatus": "payments.models.WebhookEndpoint.State",
    },
}
IDEMPOTENCY_KEY_DAYS = env.integer("IDEMPOTENCY_KEY_DAYS", 30, minimum=1, maximum=3650)
RATE_LIMIT_PER_TOKEN = env.parsed("RATE_LIMIT_PER_TOKEN", rate, "600/min", dev="30000/min")
RATE_LIMIT_PER_ADDRESS = env.parsed("RATE_LIMIT_PER_ADDRESS", rate, "300/min", dev="30000/min")
CARD_TESTING_DECLINES = env.integer("CARD_TESTING_DECLINES", 50, minimum=1)

# Gateways

GATEWAY_ADAPTERS = service_map.GATEWAYS
GATEWAYS = env.words("GATEWAYS", ["sandbox"], each=one_of(GATEWAY_ADAPTERS))
DEFAULT_GATEWAY = env.text("DEFAULT_GATEWAY", (GATEWAYS or ["sandbox"])[0])
if GATEWAYS and DEFAULT_GATEWAY not in GATEWAYS:
    env.fault("DEFAULT_GATEWAY", f"{DEFAULT_GATEWAY!r} is not in GATEWAYS")
CARRIER_ADAPTERS = service_map.CARRIERS
CARRIER = env.choice("CARRIER", tuple(CARRIER_ADAPTERS), "sandbox")
SANDBOX_PORT = env.integer("SANDBOX_PORT", 8001, minimum=1, maximum=65_535)
SANDBOX_GATEWAY_URL = env.parsed(
    "SANDBOX_GATEWAY_URL", url("http", "https"), f"http://127.0.0.1:{SANDBOX_PORT}"
).rstrip("/")
SANDBOX_WEBHOOK_SECRETS = env.words("SANDBOX_WEBHOOK_SECRETS", dev=["whsec_sandbox"])
if "sandbox" in GATEWAYS:
    env.require_beside("sandbox is in GATEWAYS", SANDBOX_WEBHOOK_SECRETS=SANDBOX_WEBHOOK_SECRETS)
SANDBOX_JOURNAL = env.text(
    "SANDBOX_JOURNAL", str(backends.beside(DATABASES["default"], BASE_DIR / "var", "sandbox.sqlite3"))
)
STRIPE_API_BASE = env.parsed("STRIPE_API_BASE", url("http", "https"), "https://api.stripe.com").rstrip("/")
STRIPE_API_KEY = env.optional("STRIPE_API_KEY")
STRIPE_WEBHOOK_SECRETS = env.words("STRIPE_WEBHOOK_SECRETS")
STRIPE_SETTLE_DELAY_SECONDS = env.seconds("STRIPE_SETTLE_DELAY_SECONDS", 30, minimum=0)
if {"stripe", "stripe_charges"}.intersection(GATEWAYS):
    env.require_beside(
        "Stripe is in GATEWAYS", STRIPE_API_KEY=STRIPE_API_KEY, STRIPE_WEBHOOK_SECRETS=STRIPE_WEBHOOK_SECRETS
    )
ADYEN_API_BASE = (env.optional("ADYEN_API_BASE", url("http", "https")) or "").rstrip("/")
ADYEN_API_KEY = env.optional("ADYEN_API_KEY")
ADYEN_MERCHANT_ACCOUNT = env.optional("ADYEN_MERCHANT_ACCOUNT")
ADYEN_WEBHOOK_SECRETS = env.words("ADYEN_WEBHOOK_SECRETS", each=backends.hexadecimal_secret)
if "adyen" in GATEWAYS:
    env.require_beside(
        "adyen is in GATEWAYS",
        ADYEN_API_BASE=ADYEN_API_BASE,
        ADYEN_API_KEY=ADYEN_API_KEY,
        ADYEN_MERCHANT_ACCOUNT=ADYEN_MERCHANT_ACCOUNT,
        ADYEN_WEBHOOK_SECRETS=ADYEN_WEBHOOK_SECRETS,
    )
GATEWAY_TIMEOUT_SECONDS = env.seconds("GATEWAY_TIMEOUT_SECONDS", 5, dev=3)
GATEWAY_BREAKER_FAILURES = env.integer("GATEWAY_BREAKER_FAILURES", 5, minimum=1, maximum=10_000)
GATEWAY_BREAKER_SECONDS = env.seconds("GATEWAY_BREAKER_SECONDS", 10)
GATEWAY_RATE_LIMIT = env.optional("GATEWAY_RATE_LIMIT", rate) or ""
GATEWAY_COUNTER = "config.limits.count_gateway_call"
"""Called with a gateway's name before each call to it; None, or the seconds until there is room for it."""
GATEWAY_CALL_DAYS = env.integer("GATEWAY_CALL_DAYS", 90, minimum=1, maximum=3650)

# Sagas and fraud

CHECKOUT_WAIT_SECONDS = env.seconds("CHECKOUT_WAIT_SECONDS", 6)
SAGA_LEASE_SECONDS = env.seconds("SAGA_LEASE_SECONDS", 15)
if SAGA_LEASE_SECONDS <= 2 * GATEWAY_TIMEOUT_SECONDS + 2:
    # Between two commits there is at most a call, a look-up and a pause.
    env.fault("SAGA_LEASE_SECONDS", "has to be more than twice GATEWAY_TIMEOUT_SECONDS and two seconds")
SETTLE_DELAY_SECONDS = env.seconds("SETTLE_DELAY_SECONDS", 0, minimum=0)
FRAUD_REVIEW_MODE = env.choice("FRAUD_REVIEW_MODE", ("hold", "post_charge"), "hold")
AUTHORIZATION_EXPIRY_POLICY = env.choice("AUTHORIZATION_EXPIRY_POLICY", ("void", "capture"), "void")
SECOND_PERSON_AMOUNT = env.integer("SECOND_PERSON_AMOUNT", 100_000)
SAGA_ANSWER = "config.answers.freeze_answer"
"""Called in the commit that ends a saga, with its run."""
ORDER_MOVED = "payments.models.client_events.tell_order"
"""Called with an order in the transaction that has moved it to another status."""
PERIODIC_JOBS = [
    "fraud.tasks.prune_velocity",
    "config.limits.prune_windows",
    "payments.reaping.reap_idempotency_keys",
    "payments.reaping.prune_gateway_calls",
    "payments.events.pruning.prune_events",
    "payments.alerts.rounds.watch",
]
"""Dotted paths of what the worker runs between sagas; each is called without arguments."""

# Work in the background

CELERY_BROKER_URL = env.optional("CELERY_BROKER_URL", url("redis", "rediss", "amqp", "amqps"))
CELERY_QUEUE = env.text("CELERY_QUEUE", "paydesk")
CELERY_SWEEP = env.flag("CELERY_SWEEP", default=True)

# Events for clients

OUTBOUND_ALLOWED_NETWORKS = env.words("OUTBOUND_ALLOWED_NETWORKS", dev=["127.0.0.0/8", "::1/128"], each=network)
CLIENT_EVENT_DAYS = env.integer("CLIENT_EVENT_DAYS", 90, minimum=7, maximum=3650)

# For those who try it out

DEMO_PASSWORD = env.text("DEMO_PASSWORD", "")
"""The password of the demo's staff; empty makes one up."""

# Watching it

METRICS_TOKEN = env.optional("METRICS_TOKEN")
LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOG_FORMAT = env.choice("LOG_FORMAT", ("console", "json"), "json", dev="console")
LOGGING_CONFIG = "config.logging.configure"
LOGGING = logging_settings(LOG_FORMAT, LOG_LEVEL)
ALERT_EMAILS = env.words("ALERT_EMAILS")
ALERT_WEBHOOK_URL = env.optional("ALERT_WEBHOOK_URL", url("http", "https"))
ALERT_WEBHOOK_SECRET = env.optional("ALERT_WEBHOOK_SECRET", backends.signing_secret)
PUBLIC_URL = env.optional("PUBLIC_URL", url("http", "https"))
if APP_ENV == "dev":
    ALERT_WEBHOOK_SECRET = ALERT_WEBHOOK_SECRET or "whsec_ZGV2LW9ubHktc2lnbnMtbm90aGluZy1vZi12YWx1ZQ=="
    PUBLIC_URL = PUBLIC_URL or f"http://127.0.0.1:{PORT}"
if ALERT_WEBHOOK_URL:
    env.require_beside("ALERT_WEBHOOK_URL is set", ALERT_WEBHOOK_SECRET=ALERT_WEBHOOK_SECRET)
ALERT_SENDERS = service_map.ALERT_CHANNELS
ALERT_CHANNELS = env.words("ALERT_CHANNELS", ALERT_SENDERS, each=one_of(ALERT_SENDERS))
if "email" in ALERT_CHANNELS and env.raw("ALERT_CHANNELS"):
    env.require_beside("email is in ALERT_CHANNELS", ALERT_EMAILS=ALERT_EMAILS)
if "webhook" in ALERT_CHANNELS and env.raw("ALERT_CHANNELS"):
    env.require_beside("webhook is in ALERT_CHANNELS", ALERT_WEBHOOK_URL=ALERT_WEBHOOK_URL)
if (ALERT_EMAILS or ALERT_WEBHOOK_URL) and not PUBLIC_URL:
    env.fault("PUBLIC_URL", "is missing, and alerts are sent: they link to their pages there")
if "adyen" in GATEWAYS and not PUBLIC_URL:
    env.fault("PUBLIC_URL", "is missing, and adyen is in GATEWAYS: it wants an address to return to with every payment")
PUBLIC_URL = (PUBLIC_URL or "").rstrip("/")
ALERT_REPEAT_MINUTES = env.integer("ALERT_REPEAT_MINUTES", 60, minimum=1, maximum=10_080)
ALERT_UNKNOWN_MINUTES = env.integer("ALERT_UNKNOWN_MINUTES", 15, minimum=1, maximum=1_440)
ALERT_BACKLOG_SECONDS = env.integer("ALERT_BACKLOG_SECONDS", 120, minimum=1, maximum=86_400)
EMAIL_TIMEOUT = 10
globals().update(env.parsed("EMAIL_URL", backends.mail, "consolemail://"))  # Django's EMAIL_BACKEND, EMAIL_HOST, ...
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "paydesk@localhost")

env.finish()

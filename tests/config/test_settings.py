"""The settings module itself, loaded in processes of its own: one process has one environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import settings

ROOT = Path(settings.BASE_DIR)
PRODUCTION = {
    "APP_ENV": "prod",
    "SECRET_KEY": "b3a9f0c1d2e4" * 6,
    "ALLOWED_HOSTS": "pay.example.com",
    "DATABASE_URL": "postgresql://paydesk:p%40ss@db.example.com:5433/paydesk?sslmode=require",
    "GATEWAYS": "stripe",
    "STRIPE_API_KEY": "sk_live_x",
    "STRIPE_WEBHOOK_SECRETS": "whsec_old, whsec_new",
}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_START", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, *arguments], env=inherited | variables, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def setting(expression: str, **variables: str) -> str:
    done = run("-c", f"from config import settings as s; print(({expression}))", **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def faults(**variables: str) -> set[str]:
    done = run("-c", "import config.settings", **variables)
    return set(re.findall(r"^  - (\w+):", done.stderr, re.MULTILINE))


def test_nothing_has_to_be_set_in_dev() -> None:
    assert faults() == set()
    assert setting("s.DEBUG, s.GATEWAYS, s.SANDBOX_WEBHOOK_SECRETS, s.REDIS_URL") == (
        "(False, ['sandbox'], ['whsec_sandbox'], None)"
    )


def test_production_has_no_default_for_any_secret() -> None:
    assert faults(APP_ENV="prod") == {"SECRET_KEY", "ALLOWED_HOSTS", "SANDBOX_WEBHOOK_SECRETS"}


def test_who_is_told_of_alerts_outside_dev_has_to_be_told_where_to_go_and_by_whom() -> None:
    hook = {"ALERT_WEBHOOK_URL": "https://chat.example.com/hook"}

    assert faults(**PRODUCTION, ALERT_EMAILS="ops@example.com") == {"PUBLIC_URL"}
    assert faults(**PRODUCTION, **hook) == {"PUBLIC_URL", "ALERT_WEBHOOK_SECRET"}
    assert faults(**hook) == set()
    assert setting("s.PUBLIC_URL", PORT="9000") == "http://127.0.0.1:9000"
    assert setting("s.PUBLIC_URL", PUBLIC_URL="https://pay.example.com/") == "https://pay.example.com"


def test_adyen_wants_an_address_to_return_to() -> None:
    adyen = {
        "GATEWAYS": "adyen",
        "ADYEN_API_BASE": "https://checkout-test.adyen.com/v71/",
        "ADYEN_API_KEY": "AQE-x",
        "ADYEN_MERCHANT_ACCOUNT": "ExampleShopECOM",
        "ADYEN_WEBHOOK_SECRETS": f"{'AB' * 32}, {'cd' * 32}",
    }

    assert faults(**PRODUCTION | adyen) == {"PUBLIC_URL"}
    assert faults(**PRODUCTION | adyen, PUBLIC_URL="https://pay.example.com") == set()
    assert setting("s.ADYEN_API_BASE", **adyen) == "https://checkout-test.adyen.com/v71"


def test_debug_cannot_be_on_in_production() -> None:
    assert faults(**PRODUCTION, DEBUG="true") == {"DEBUG"}


def test_a_command_names_every_fault_in_one_message_and_shows_no_traceback() -> None:
    done = run("manage.py", "check", **PRODUCTION, SAGA_LEASE_SECONDS="2", LOG_FORMAT="xml", FRAUD_REVIEW_MODE="maybe")

    assert done.returncode == 1
    assert re.findall(r"^  - (\w+):", done.stderr, re.MULTILINE) == [
        "SAGA_LEASE_SECONDS",
        "FRAUD_REVIEW_MODE",
        "LOG_FORMAT",
    ]
    assert "Traceback" not in done.stderr


def test_a_production_deployment_passes_djangos_checks() -> None:
    done = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GATEWAYS": "sandbox,paypal"}, {"GATEWAYS"}),
        ({"GATEWAYS": "stripe"}, {"STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"}),
        (
            {"GATEWAYS": "adyen"},
            {"ADYEN_API_BASE", "ADYEN_API_KEY", "ADYEN_MERCHANT_ACCOUNT", "ADYEN_WEBHOOK_SECRETS"},
        ),
        ({"ADYEN_WEBHOOK_SECRETS": "whsec_x"}, {"ADYEN_WEBHOOK_SECRETS"}),
        ({"DEFAULT_GATEWAY": "stripe"}, {"DEFAULT_GATEWAY"}),
        ({"GATEWAY_TIMEOUT_SECONDS": "0"}, {"GATEWAY_TIMEOUT_SECONDS"}),
        ({"GATEWAY_TIMEOUT_SECONDS": "7.5"}, {"SAGA_LEASE_SECONDS"}),
        ({"DATABASE_URL": "mysql://host/name"}, {"DATABASE_URL"}),
        ({"DATABASE_URL": "postgresql://host"}, {"DATABASE_URL"}),
        ({"DATABASE_URL": "postgresql://user:p@ss:w/rd@host:x/name"}, {"DATABASE_URL"}),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/db.sqlite3"}, {"DATABASE_URL"}),
        ({"REDIS_URL": "127.0.0.1:6379"}, {"REDIS_URL"}),
        ({"DB_POOL_MIN_SIZE": "9", "DB_POOL_MAX_SIZE": "4"}, {"DB_POOL_MIN_SIZE"}),
        ({"RATE_LIMIT_PER_TOKEN": "often"}, {"RATE_LIMIT_PER_TOKEN"}),
        ({"CORS_ALLOWED_ORIGINS": "https://a.example,b.example"}, {"CORS_ALLOWED_ORIGINS"}),
        ({"EMAIL_URL": "pigeon://post"}, {"EMAIL_URL"}),
        ({"ALERT_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, {"ALERT_WEBHOOK_SECRET"}),
        ({"ALERT_WEBHOOK_URL": "ftp://chat.example.com"}, {"ALERT_WEBHOOK_URL"}),
        ({"AUTHORIZATION_EXPIRY_POLICY": "keep"}, {"AUTHORIZATION_EXPIRY_POLICY"}),
        ({"APP_ENV": "production"}, {"APP_ENV", "SECRET_KEY", "ALLOWED_HOSTS", "SANDBOX_WEBHOOK_SECRETS"}),
    ],
)
def test_a_setting_that_cannot_be_is_named(variables: dict[str, str], expected: set[str]) -> None:
    assert faults(**variables) == expected


def test_a_database_address_becomes_a_connection_that_is_kept_and_checked() -> None:
    database = "s.DATABASES['default']"
    found = setting(
        f"[{database}[n] for n in ('PASSWORD', 'PORT', 'CONN_MAX_AGE', 'CONN_HEALTH_CHECKS')]", **PRODUCTION
    )

    assert found == "['p@ss', 5433, 60, True]"


def test_a_pool_takes_the_place_of_connections_that_are_kept() -> None:
    database = "s.DATABASES['default']"
    found = setting(f"{database}['OPTIONS']['pool'], {database}['CONN_MAX_AGE']", **PRODUCTION, DB_POOL_MAX_SIZE="4")

    assert found == "({'min_size': 1, 'max_size': 4, 'timeout': 5}, 0)"


def test_the_sandbox_journal_lies_beside_the_sqlite_database(tmp_path: Path) -> None:
    found = setting("s.SANDBOX_JOURNAL", DATABASE_URL=f"sqlite:///{tmp_path}/a/db.sqlite3")

    assert found == f"{tmp_path}/a/sandbox.sqlite3"


def test_mail_goes_where_the_address_says() -> None:
    found = setting("s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_USE_TLS", EMAIL_URL="smtp+tls://me:word@mail.example.com:587")

    assert found == "('mail.example.com', 587, True)"


def test_the_example_names_every_setting_and_no_other() -> None:
    example = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert sorted(example) == sorted(set(settings.env.names))


def test_the_example_is_a_file_of_defaults_that_starts(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert faults(**variables) == set()

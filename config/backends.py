"""Django's database, cache and mail settings from the addresses in the environment."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import environ  # type: ignore[import-untyped]

from config.environment import InvalidValueError
from payments.outbound import signing
from payments.webhooks import item_signatures

SQLITE: Final = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;",
}
"""Writers queue at BEGIN instead of failing in the middle of a transaction; a commit survives a loss of power."""

Settings = dict[str, Any]


class Databases:
    """Parses `DATABASE_URL`; `base` is what a relative SQLite path starts from."""

    def __init__(self, base: Path, *, max_age: int, pool: tuple[int, int, float]) -> None:
        minimum, maximum, timeout = pool
        self.base = base
        self.max_age = max_age
        self.pool = {"min_size": minimum, "max_size": maximum, "timeout": timeout} if maximum else None

    def parse(self, address: str) -> Settings:
        scheme = address.partition("://")[0]
        if scheme == "sqlite":
            return self._sqlite(address)
        if scheme in {"postgres", "postgresql"}:
            return self._postgresql(address)
        raise InvalidValueError("is not of the form sqlite:///path or postgresql://user:password@host:port/name")

    def _sqlite(self, address: str) -> Settings:
        path = address.removeprefix("sqlite://").removeprefix("/")
        if not path or "?" in path:
            raise InvalidValueError("is not of the form sqlite:///path")
        name = path if path == ":memory:" else str(self.base / path)
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": dict(SQLITE)}

    def _postgresql(self, address: str) -> Settings:
        try:
            settings: Settings = environ.Env.db_url_config(address)
        except ValueError as error:
            raise InvalidValueError("cannot be parsed; a password needs its special characters %-encoded") from error
        if not settings["NAME"]:
            raise InvalidValueError("names no database")
        options = {"connect_timeout": 5, **settings.get("OPTIONS", {})}
        if self.pool:
            options["pool"] = self.pool
        max_age = 0 if self.pool else self.max_age
        return {**settings, "OPTIONS": options, "CONN_MAX_AGE": max_age, "CONN_HEALTH_CHECKS": True}


def make_folder(database: Settings) -> None:
    """Make the folder of a SQLite file; InvalidValueError where that is not possible."""
    path = Path(database["NAME"])
    if not path.is_absolute():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidValueError(f"its folder cannot be made: {type(error).__name__}") from error


def beside(database: Settings, fallback: Path, name: str) -> Path:
    """A file called `name` in the SQLite database's folder, else in `fallback`."""
    path = Path(database["NAME"])
    return (path.parent if path.is_absolute() else fallback) / name


def caches(redis_url: str | None) -> Settings:
    """Redis where there is one, else the memory of each process."""
    if redis_url is None:
        return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "paydesk"}}
    options = {"SOCKET_CONNECT_TIMEOUT": 2, "SOCKET_TIMEOUT": 2}
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": redis_url,
        "KEY_PREFIX": "paydesk",
        "OPTIONS": options,
    }
    return {"default": cache}


def mail(address: str) -> Settings:
    """Django's `EMAIL_*` settings from `smtp+tls://user:password@host:port`, `smtp://…` or `consolemail://`."""
    try:
        known = urlsplit(address).scheme in environ.Env.EMAIL_SCHEMES
        settings: Settings = environ.Env.email_url_config(address) if known else {}
    except ValueError:
        settings = {}
    if not settings:
        raise InvalidValueError("is not of the form smtp+tls://user:password@host:port or consolemail://")
    return {name: value for name, value in settings.items() if name.startswith("EMAIL_")}


def hexadecimal_secret(secret: str) -> str:
    """A secret that Adyen's webhooks are signed with."""
    try:
        item_signatures.key_of(secret)
    except ValueError as error:
        raise InvalidValueError("is no hexadecimal key, as Adyen generates them") from error
    return secret


def signing_secret(secret: str) -> str:
    """A secret that webhooks can be signed with."""
    try:
        signing.key_of(secret)
    except ValueError as error:
        raise InvalidValueError(f"{error}: make one with `echo whsec_$(openssl rand -base64 32)`") from error
    return secret

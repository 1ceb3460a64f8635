"""Reads settings from the environment and remembers every fault, so that one start names them all.

django-environ reads the file of defaults and the database address; its casts are not used because they guess
(`"3 s"` becomes 3.0, `"yess"` becomes False, a secret that starts with `$` becomes another variable's value).
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import environ  # type: ignore[import-untyped]
import limits
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

PROFILES: Final = ("dev", "staging", "prod")
TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off"})
_ASSIGNMENT = re.compile(r"(?:export )?\w+=.*|\s*(?:#.*)?", re.ASCII)


class _Required:
    """Says that a setting has no default."""


REQUIRED: Final = _Required()


class InvalidValueError(ValueError):
    """What is wrong with a value, said without repeating a secret."""


class Environment:
    """The settings of one profile; call `finish` after the last one is read. `names` are those that were asked for.

    `default` holds in every profile, `dev` in the profile `dev` only and there instead of `default`. An empty value
    counts as absent. `NAME_FILE` names a file that holds the value of `NAME`.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str] = os.environ) -> None:
        self.faults: list[str] = []
        self.names = ["APP_ENV"]
        self._variables = variables
        self._defaults: dict[str, str] = {}
        self.profile = variables.get("APP_ENV") or "dev"
        if self.profile not in PROFILES:
            self.fault("APP_ENV", f"{self.profile!r} is not one of {', '.join(PROFILES)}")
            self.profile = "prod"
        self._read_defaults(directory / f".env.{self.profile}")

    def attempt(self, name: str, action: Callable[[], None]) -> None:
        """What `action` finds wrong, as InvalidValueError, is a fault of the setting `name`."""
        try:
            action()
        except InvalidValueError as error:
            self.fault(name, str(error))

    def fault(self, name: str, problem: str) -> None:
        self.faults.append(f"{name}: {problem}")

    def require_beside(self, reason: str, **values: object) -> None:
        """Find fault with every one of `values` that is empty, for `reason`."""
        for name, value in values.items():
            if not value:
                self.fault(name, f"is missing, and {reason}")

    def finish(self) -> None:
        """Raise ImproperlyConfigured with every fault, one a line."""
        if self.faults:
            lines = "".join(f"\n  - {fault}" for fault in self.faults)
            raise ImproperlyConfigured(
                f"Paydesk cannot start, its settings have faults (APP_ENV={self.profile}):{lines}"
            )

    def text(self, name: str, default: str | _Required = REQUIRED, *, dev: str | None = None) -> str:
        return self._read(name, str, default, dev, "")

    def optional(self, name: str, cast_: Callable[[str], str] = str) -> str | None:
        """The value, or None when it is absent."""
        return self._read(name, cast_, None, None, None)

    def secret(self, name: str, *, dev: str, minimum: int = 1) -> str:
        """A value that has a default in `dev` alone, of at least `minimum` characters."""
        return self._read(name, _at_least(minimum), REQUIRED, dev, dev)

    def words(
        self,
        name: str,
        default: Iterable[str] | _Required = (),
        *,
        dev: Iterable[str] | None = None,
        each: Callable[[str], str] = str,
    ) -> list[str]:
        """A comma-separated list, every item through `each`; spaces around items and empty items are left out."""
        return list(self._read(name, _words(each), default, dev, ()))

    def flag(self, name: str, default: bool, *, dev: bool | None = None) -> bool:
        return self._read(name, _flag, default, dev, default)

    def integer(
        self, name: str, default: int, *, dev: int | None = None, minimum: int = 0, maximum: int = 2**31 - 1
    ) -> int:
        return self._read(name, _integer(minimum, maximum), default, dev, default)

    def seconds(self, name: str, default: float, *, dev: float | None = None, minimum: float = 0.05) -> float:
        """A duration in seconds, a day at most."""
        return self._read(name, _number(minimum, 86_400), default, dev, default)

    def choice(self, name: str, choices: tuple[str, ...], default: str, *, dev: str | None = None) -> str:
        return self._read(name, one_of(choices), default, dev, default)

    def parsed(self, name: str, parse: Callable[[str], T], default: str, *, dev: str | None = None) -> T:
        """The value or the default through `parse`, which raises InvalidValueError for a form it does not know."""
        value: T | None = self._read(name, parse, None, None, None)
        if value is not None:
            return value
        return parse(dev if dev is not None and self.profile == "dev" else default)

    def raw(self, name: str) -> str:
        """The text behind `name`, empty when it is absent: the real environment first, the file of defaults second."""
        for source in (self._variables, self._defaults):
            if name in source or source.get(f"{name}_FILE"):
                return self._from(source, name)
        return ""

    def _from(self, source: Mapping[str, str], name: str) -> str:
        path = source.get(f"{name}_FILE")
        if path and source.get(name):
            self.fault(name, f"set {name} or {name}_FILE, not both")
        if not path:
            return source.get(name, "")
        try:
            return Path(path).read_text(encoding="utf-8").strip("\r\n")
        except (OSError, ValueError) as error:
            raise InvalidValueError(f"{name}_FILE cannot be read: {type(error).__name__}") from error

    def _read(self, name: str, parse: Callable[[str], Any], default: Any, dev: Any, fallback: T) -> T:
        self.names.append(name)
        if self.profile == "dev" and dev is not None:
            default = dev
        try:
            value = self.raw(name)
            if not value and default is REQUIRED:
                raise InvalidValueError("is missing")
            return cast(T, parse(value) if value else default)
        except InvalidValueError as error:
            self.fault(name, str(error))
            return fallback

    def _read_defaults(self, path: Path) -> None:
        if not path.is_file():
            return
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            self.fault(path.name, f"cannot be read: {type(error).__name__}")
            return
        for number, line in enumerate(text.splitlines(), start=1):
            if not _ASSIGNMENT.fullmatch(line):
                self.fault(path.name, f"line {number} is not of the form NAME=value")
        reader: Any = type("Reader", (environ.Env,), {"ENVIRON": self._defaults})
        reader.read_env(path)


def url(*schemes: str) -> Callable[[str], str]:
    """Accept an absolute URL with one of `schemes` and a host."""

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in schemes:
            raise InvalidValueError(f"is not a URL of the form {'|'.join(schemes)}://host")
        return value

    return parse


def _at_least(minimum: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if len(value) < minimum:
            raise InvalidValueError(f"is too short: {minimum} characters at least")
        return value

    return parse


def rate(value: str) -> str:
    """Accept `100/min` and say it in the form the limits library parses."""
    text = f"{value}ute" if value.endswith("/min") else value
    try:
        parsed = limits.parse(text)
    except ValueError as error:
        raise InvalidValueError(f"{value!r} is not of the form 100/min (or /second, /hour, /day)") from error
    if not parsed.amount:
        raise InvalidValueError(f"{value!r} lets nothing through")
    return str(parsed)


def network(value: str) -> str:
    """Accept a network such as `10.1.0.0/16`, or one address."""
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise InvalidValueError(f"{value!r} is not a network of the form 10.1.0.0/16 or fd00::/8") from error


def _words(each: Callable[[str], str]) -> Callable[[str], list[str]]:
    def parse(value: str) -> list[str]:
        return [each(word.strip()) for word in value.split(",") if word.strip()]

    return parse


def _flag(value: str) -> bool:
    if value.lower() not in TRUE | FALSE:
        raise InvalidValueError(f"{value!r} is neither true nor false")
    return value.lower() in TRUE


def _integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise InvalidValueError(f"{value!r} is not a whole number")
        if not minimum <= int(value) <= maximum:
            raise InvalidValueError(f"{value} is not between {minimum} and {maximum}")
        return int(value)

    return parse


def _number(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", value):
            raise InvalidValueError(f"{value!r} is not a number")
        if not minimum <= float(value) <= maximum or not math.isfinite(float(value)):
            raise InvalidValueError(f"{value} is not between {minimum:g} and {maximum:g}")
        return float(value)

    return parse


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """Accept one of `choices`, and name them all for anything else."""
    known = tuple(choices)

    def parse(value: str) -> str:
        if value not in known:
            raise InvalidValueError(f"{value!r} is not one of {', '.join(known)}")
        return value

    return parse

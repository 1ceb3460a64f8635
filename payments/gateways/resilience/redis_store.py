"""The breakers in Redis: a hash each, changed by scripts that Redis runs as one step and on its own clock."""

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any, Final, TypeVar

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from payments.gateways.resilience.stores import LONGEST_SECONDS, Standing, Store

TIMEOUT_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 5.0
"""How long a Redis that has failed is left alone."""
KEPT_MS: Final = 24 * 3600 * 1000
"""A breaker that nobody has touched for so long has nothing to say."""
PREFIX: Final = "paydesk:breaker:"

log = structlog.get_logger(__name__)

T = TypeVar("T")

_HEAD: Final = """
local key, clock = KEYS[1], redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function number(field) return tonumber(redis.call('HGET', key, field) or 0) end
local function set(...) redis.call('HSET', key, ...) redis.call('PEXPIRE', key, ARGV[1]) end
local probe = redis.call('HGET', key, 'probe') or ''
local opened, failures = number('opened'), number('failures')
"""
_LOOK: Final = """
local wait = 0
if opened > 0 then wait = math.max(number('open_until'), number('probe_until'), now) - now end
"""
_SCRIPTS: Final = {
    "look": _LOOK + "return {failures, opened, wait, probe}",
    "admit": _LOOK
    + """
        if opened > 0 and wait == 0 then
            probe = ARGV[2]
            set('probe', probe, 'probe_until', now + ARGV[3])
        end
        return {failures, opened, wait, probe}
    """,
    "succeeded": """
        local mine = (opened == 0 and ARGV[2] == '') or (opened > 0 and ARGV[2] ~= '' and probe == ARGV[2])
        if mine then redis.call('DEL', key) end
        return opened
    """,
    "failed": """
        if opened == 0 and ARGV[2] == '' then
            failures = failures + 1
            if failures >= tonumber(ARGV[3]) then
                opened = 1
                set('open_until', now + ARGV[4])
            end
            set('failures', failures, 'opened', opened)
        elseif opened > 0 and ARGV[2] ~= '' and probe == ARGV[2] then
            opened = opened + 1
            local pause = math.min(ARGV[4] * 2 ^ math.min(opened - 1, 10), ARGV[5])
            set('opened', opened, 'failures', failures + 1, 'open_until', now + pause, 'probe', '', 'probe_until', 0)
        end
        return opened
    """,
    "release": """
        if probe == ARGV[2] then set('probe', '', 'probe_until', 0) end
        return opened
    """,
}


class Redis:
    """Falls back to `meanwhile` while Redis is away, and says so in the log."""

    def __init__(self, url: str, *, meanwhile: Store) -> None:
        client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # A pooled connection may have been closed by a restart of Redis.
        )
        self._scripts: dict[str, Any] = {
            name: client.register_script(_HEAD + script) for name, script in _SCRIPTS.items()
        }
        self._meanwhile = meanwhile
        self._is_away_until = -inf

    def admit(self, gateway: str, *, probe: str, lease: float) -> Standing:
        return self._asked(
            lambda: _standing(self._run("admit", gateway, probe, round(lease * 1000))),
            lambda: self._meanwhile.admit(gateway, probe=probe, lease=lease),
        )

    def look(self, *gateways: str) -> dict[str, Standing]:
        return self._asked(
            lambda: {gateway: _standing(self._run("look", gateway)) for gateway in gateways},
            lambda: self._meanwhile.look(*gateways),
        )

    def succeeded(self, gateway: str, *, probe: str) -> None:
        self._asked(
            lambda: self._run("succeeded", gateway, probe), lambda: self._meanwhile.succeeded(gateway, probe=probe)
        )

    def failed(self, gateway: str, *, probe: str) -> int:
        base, longest = round(settings.GATEWAY_BREAKER_SECONDS * 1000), round(LONGEST_SECONDS * 1000)
        limits = (settings.GATEWAY_BREAKER_FAILURES, base, longest)
        return self._asked(
            lambda: int(self._run("failed", gateway, probe, *limits)),
            lambda: self._meanwhile.failed(gateway, probe=probe),
        )

    def release(self, gateway: str, *, probe: str) -> None:
        self._asked(lambda: self._run("release", gateway, probe), lambda: self._meanwhile.release(gateway, probe=probe))

    def _run(self, name: str, gateway: str, *arguments: object) -> Any:
        return self._scripts[name](keys=[PREFIX + gateway], args=[KEPT_MS, *arguments])

    def _asked(self, here: Callable[[], T], meanwhile: Callable[[], T]) -> T:
        if monotonic() < self._is_away_until:
            return meanwhile()
        try:
            return here()
        except redis.RedisError as error:
            self._is_away_until = monotonic() + PAUSE_SECONDS
            log.warning("breaker_store_failed", store="redis", error=str(error))
            return meanwhile()


def _standing(answer: tuple[int, int, int, bytes]) -> Standing:
    failures, opened, wait, probe = answer
    return Standing(failures, opened, wait / 1000, probe.decode())

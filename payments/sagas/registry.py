"""Every saga this build can run. A worker claims only executions whose version it has."""

from payments.sagas.definition import Saga

_DEFINITIONS: dict[tuple[str, int], Saga] = {}


def register(saga: Saga) -> Saga:
    _DEFINITIONS[saga.key] = saga
    return saga


def get(name: str, version: int) -> Saga:
    return _DEFINITIONS[name, version]


def versions() -> list[tuple[str, int]]:
    return list(_DEFINITIONS)

"""The addresses under `/v1/`, as the URL configuration has them: whatever is added there is tested from then on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.urls import URLPattern, URLResolver, get_resolver

PREFIX: Final = "v1/"


@dataclass(frozen=True)
class Endpoint:
    """One address. `view` is the API view behind it, or None for a page."""

    route: str
    name: str
    arguments: tuple[str, ...]
    view: Any

    def __str__(self) -> str:
        return self.route

    @property
    def methods(self) -> tuple[str, ...]:
        """What the view has a handler for, apart from OPTIONS, which every view has; Django answers HEAD with GET's."""
        handled = [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(self.view, name)]
        return (*handled, *(["HEAD"] if "GET" in handled else []))

    @property
    def needs_token(self) -> bool:
        return self.view is not None and bool(self.view.authentication_classes)

    @property
    def is_list(self) -> bool:
        return "GET" in self.methods and not self.arguments and hasattr(self.view, "pagination_class")

    @property
    def filters(self) -> tuple[str, ...]:
        filterset = getattr(self.view, "filterset_class", None)
        return tuple(filterset.base_filters) if filterset else ()

    @property
    def takes_key(self) -> bool:
        """Every POST of somebody with a token, but those that change nothing."""
        return "POST" in self.methods and self.needs_token and not getattr(self.view, "changes_nothing", False)

    def path(self, **ids: str) -> str:
        """The address of these objects, below `/v1/`."""
        return self._pattern % {name: ids[name] for name in self.arguments}

    @property
    def _pattern(self) -> str:
        pattern = self.route
        for name in self.arguments:
            pattern = pattern.replace(f"<str:{name}>", f"%({name})s")
        return pattern


def endpoints() -> list[Endpoint]:
    return [_endpoint(route, pattern) for route, pattern in _walk(get_resolver(), "") if route.startswith(PREFIX)]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, route)
        else:
            yield route, pattern


def _endpoint(route: str, pattern: URLPattern) -> Endpoint:
    view = getattr(pattern.callback, "cls", None)
    return Endpoint(route.removeprefix(PREFIX), str(pattern.name), tuple(pattern.pattern.converters), view)

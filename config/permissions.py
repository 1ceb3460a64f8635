from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rest_framework.metadata import BaseMetadata
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    from rest_framework.views import APIView

_READS: Final = {"HEAD": "GET"}


class RequiredPermissions(BasePermission):
    """Denies whatever a view does not allow by name.

    A view says `required_permissions = {"GET": "orders.view_order", "POST": ("orders.add_order", ...)}`. A method it
    has no handler for passes, so that the answer is 405 and not 403; so does OPTIONS, which tells the methods alone.
    """

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not request.user.is_authenticated:
            return False
        method = _READS.get(request.method or "", request.method or "")
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True
        needed = _required(view).get(method)
        return needed is not None and request.user.has_perms([needed] if isinstance(needed, str) else list(needed))


class AllowedMethods(BaseMetadata):
    """OPTIONS answers with the `Allow` header that every answer has, and nothing else."""

    def determine_metadata(self, request: Request, view: "APIView") -> None:
        return None


def _required(view: "APIView") -> Mapping[str, str | Iterable[str]]:
    found: Any = getattr(view, "required_permissions", {})
    return dict(found)

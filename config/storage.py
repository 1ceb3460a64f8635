from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedWhenCollected(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashed, compressed names after `collectstatic`; plain names, served out of the packages, before it."""

    def url(self, name: str, force: bool = False) -> Any:
        return super().url(name, force) if self.hashed_files else StaticFilesStorage.url(self, name)

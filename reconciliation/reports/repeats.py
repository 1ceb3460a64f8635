"""Finds rows that are in a file twice, in the same memory for ten rows and ten million.

Each row leaves a digest and its line in one of a few temporary files, chosen by the digest; two of a kind end up in the
same one, which is small enough to sort.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import blake2b
from itertools import pairwise
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import IO, Final, Self

from reconciliation.reports.rows import Row

_FILES: Final = 64
_IN_MEMORY: Final = 1 << 14
"""Bytes of each file. Only reports of some ten thousand rows reach the disk."""
_DIGEST: Final = 16
_ENTRY: Final = _DIGEST + 8


class Repeats:
    """A context manager, for the temporary files."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._files = [stack.enter_context(SpooledTemporaryFile(_IN_MEMORY)) for _ in range(_FILES)]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def add(self, row: Row) -> None:
        digest = blake2b(_identity(row).encode(), digest_size=_DIGEST).digest()
        self._files[digest[0] % _FILES].write(digest + row.line.to_bytes(8))

    def found(self) -> Iterator[tuple[int, int]]:
        """The line of a row that has been there before, and the line before it that has it."""
        for file in self._files:
            for one, other in pairwise(sorted(_entries(file))):
                if one[:_DIGEST] == other[:_DIGEST]:
                    yield int.from_bytes(other[_DIGEST:]), int.from_bytes(one[_DIGEST:])


def _entries(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while entry := file.read(_ENTRY):
        yield entry


def _identity(row: Row) -> str:
    """A row without a name of its own is known by all that it says."""
    if row.entry_id:
        return "\0".join((row.native_type, row.entry_id, row.currency))
    facts = (row.native_type, row.transaction_id, row.reference, row.charge_reference, row.payout_id, row.currency)
    amounts = (row.gross_minor, row.fee_minor, row.net_minor, row.charged_currency, row.charged_minor)
    return "\0".join(("", *facts, row.occurred_at.isoformat(), *map(str, amounts)))

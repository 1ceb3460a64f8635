"""HTTP/1.1 messages as raw bytes, told apart on a connection that is kept open.

Source: RFC 9112, sections 6 and 7.
"""

from dataclasses import dataclass, replace
from typing import BinaryIO, Self

SAYS_NOTHING = {"204", "304"}


@dataclass(frozen=True, slots=True)
class Message:
    """`is_last` when the connection ends with it, be it because nothing else says where the message ends."""

    head: bytes
    body: bytes
    is_last: bool

    @property
    def first_line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    def as_the_last(self) -> Self:
        """The same, after which its receiver knows that the connection ends."""
        fields = [line for line in self.head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        return replace(self, head=b"\r\n".join([fields[0], b"Connection: close", *fields[1:]]), is_last=True)

    @classmethod
    def request(cls, stream: BinaryIO) -> Self | None:
        """The next one; None when the client has hung up, before it or in the middle of it."""
        head = _head(stream)
        if head is None:
            return None
        body = _body(stream, head) or b""
        return cls(head, body, _closes(head))

    @classmethod
    def answer(cls, stream: BinaryIO, *, method: str) -> Self | None:
        """The answer to a request of this method; None when the connection ends without one."""
        head = _head(stream)
        if head is None:
            return None
        if method == "HEAD" or head.split(b" ", 2)[1].decode("latin-1") in SAYS_NOTHING:
            return cls(head, b"", _closes(head))
        body = _body(stream, head)
        return cls(head, stream.read() if body is None else body, body is None or _closes(head))


def _head(stream: BinaryIO) -> bytes | None:
    lines = []
    while line := stream.readline():
        lines.append(line)
        if line == b"\r\n":
            return b"".join(lines)
    return None


def _body(stream: BinaryIO, head: bytes) -> bytes | None:
    """As the head announces it; None when it announces none."""
    if _field(head, b"transfer-encoding").lower() == b"chunked":
        return _chunks(stream)
    length = _field(head, b"content-length")
    return stream.read(int(length)) if length else None


def _chunks(stream: BinaryIO) -> bytes:
    """As they are, sizes and trailers too."""
    parts = []
    size = -1
    while size != 0:
        line = stream.readline()
        size = int(line.partition(b";")[0], 16)
        parts += [line, stream.read(size + 2) if size else b""]
    while line := stream.readline():  # trailers, and the empty line after them
        parts.append(line)
        if line == b"\r\n":
            break
    return b"".join(parts)


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name:
            return value.strip()
    return b""


def _closes(head: bytes) -> bool:
    return _field(head, b"connection").lower() == b"close"

"""What a codec raises. One tree, so that a driver can drop a bad frame with one `except`.

CodecError                 the bytes, or the value to be encoded, do not fit the format
├── TruncatedError         fewer bytes than the format needs
├── TrailingBytesError     more bytes than the format allows
├── ChecksumError          a checksum does not match: the wire's fault
├── SignatureError         a signature does not verify: somebody else's frame, or another key
└── RangeError             a value that the format or the document does not allow
"""

from __future__ import annotations


class CodecError(ValueError):
    """The bytes, or the value to be encoded, do not fit the format."""


class TruncatedError(CodecError):
    """`frame` needs `needed` bytes and got `got`."""

    def __init__(self, frame: str, needed: int, got: int) -> None:
        super().__init__(f"{frame} needs {needed} bytes, got {got}")
        self.frame, self.needed, self.got = frame, needed, got


class TrailingBytesError(CodecError):
    """`frame` takes `allowed` bytes and got `got`."""

    def __init__(self, frame: str, allowed: int, got: int) -> None:
        super().__init__(f"{frame} takes {allowed} bytes, got {got}")
        self.frame, self.allowed, self.got = frame, allowed, got


class ChecksumError(CodecError):
    """A checksum does not match."""


class SignatureError(CodecError):
    """A signature does not verify. Carries neither the signature nor the key."""


class RangeError(CodecError):
    """`field` holds a value that the format or the document does not allow."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} is {value!r}, allowed: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed

"""Certificates of radios for which the hub establishes keys: files in the data directory, one of each suite.

`certificates/RADIO/*.txt`, mode 0600, each in the authority's text form: its public key, the certificate, and the
private key, which is shown nowhere. A file that is wrong is told with its reason and left out; the others are used.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final

from hub.errors import InvalidError, StorageError
from hub.private_file import folder_name, write_private
from hub.zigbee.model import CertificateFacts
from protocols.certificate import MAX_TEXT, TEST_ISSUER
from protocols.errors import RangeError
from protocols.ids import Eui64
from protocols.se import libcrypto
from protocols.se.binary_curve import PURE_PYTHON, Arithmetic, Point
from protocols.se.ecqv import NO_END, Certificate2, Credentials
from protocols.se.key_establishment import Suite

log = logging.getLogger(__name__)

FOLDER: Final = "certificates"
_PATTERN: Final = "*.txt"


class BestArithmetic:
    """libcrypto where it has the curves, else pure Python: looked for by the first computation, in whatever thread."""

    name = "libcrypto or pure Python"

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: Arithmetic | None = None

    def combine(self, *terms: tuple[int, Point]) -> Point | None:
        """See `Arithmetic`."""
        return self._best().combine(*terms)

    def _best(self) -> Arithmetic:
        with self._lock:
            if self._found is None:
                self._found = libcrypto.find() or PURE_PYTHON
                log.info("curves: %s", self._found.name)
            return self._found


@dataclass(frozen=True, slots=True)
class Held:
    """What is there for a radio."""

    credentials: tuple[Credentials, ...] = ()
    """Of each suite one at most, lowest suite first, all for the radio's address."""
    files: tuple[Path, ...] = ()
    """Where they are, in that order."""
    problems: tuple[str, ...] = ()
    """Of files that are not used, for people."""

    def of(self, suite: Suite) -> Credentials | None:
        """The one of a suite."""
        return next((one for one in self.credentials if one.suite == suite), None)

    def facts(self) -> tuple[CertificateFacts, ...]:
        """What may be told of them."""
        return tuple(_facts(one, path) for one, path in zip(self.credentials, self.files, strict=True))


class OwnCertificates:
    """Certificates of all radios that have theirs from the hub."""

    def __init__(self, data_dir: Path, arithmetic: Arithmetic) -> None:
        self._root, self._arithmetic = data_dir / FOLDER, arithmetic

    def folder(self, radio: str) -> Path:
        """Where a radio's are."""
        return self._root / folder_name(radio)

    async def load(self, radio: str, ieee: Eui64) -> Held:
        """Read and check what is there for a radio with this address; what is wrong is logged, too."""
        held = await asyncio.to_thread(self._load, self.folder(radio), ieee)
        for problem in held.problems:
            log.error("%s: a certificate is not used: %s", radio, problem)
        return held

    async def install(self, radio: str, ieee: Eui64, text: str) -> Held:
        """Keep a certificate in place of the one of its suite. Raises `InvalidError`, `StorageError`."""
        try:
            await asyncio.to_thread(self._install, self.folder(radio), ieee, text)
        except RangeError as error:
            raise InvalidError(error.field, error.value, error.allowed) from None
        except OSError as error:
            raise StorageError(f"{self.folder(radio)} cannot be written: {error.strerror}") from None
        return await self.load(radio, ieee)

    async def remove(self, radio: str) -> None:
        """Delete all of a radio's. Raises `StorageError`."""
        try:
            for path in sorted(self.folder(radio).glob(_PATTERN)):
                path.unlink()
        except OSError as error:
            raise StorageError(f"{self.folder(radio)} cannot be emptied: {error.strerror}") from None

    def _load(self, folder: Path, ieee: Eui64) -> Held:
        found: dict[Suite, tuple[Credentials, Path]] = {}
        problems: list[str] = []
        for path in sorted(folder.glob(_PATTERN)):
            try:
                credentials = self._checked(_read(path), ieee)
            except RangeError as error:
                problems.append(f"{path}: {error}")
                continue
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror}")
                continue
            if credentials.suite in found:
                other = found[credentials.suite][1]
                problems.append(f"{path}: of suite {int(credentials.suite)}, as {other.name}, which is used")
                continue
            found[credentials.suite] = credentials, path
        rows = [found[suite] for suite in sorted(found)]
        return Held(tuple(one for one, _ in rows), tuple(path for _, path in rows), tuple(problems))

    def _install(self, folder: Path, ieee: Eui64, text: str) -> None:
        new = self._checked(text, ieee)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = self._load(folder, ieee)
        target = folder / f"suite{int(new.suite)}.txt"
        write_private(target, new.to_text().encode())
        for one, path in zip(before.credentials, before.files, strict=True):
            if one.suite == new.suite and path != target:
                path.unlink()

    def _checked(self, text: str, ieee: Eui64) -> Credentials:
        credentials = Credentials.parse(text)
        subject = credentials.certificate.subject
        if subject != ieee:
            raise RangeError("certificate", f"for {subject}", f"one for {ieee}, the address of this radio")
        credentials.check(self._arithmetic)
        return credentials


def _read(path: Path) -> str:
    """A file of the folder; one that others may read is not used. Raises `RangeError`, `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RangeError("certificate file", "no regular file", "a file")
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise RangeError("mode of the file", f"{mode:03o}", f"600, since it holds a private key: chmod 600 {path}")
        return os.read(descriptor, MAX_TEXT).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def _facts(one: Credentials, path: Path) -> CertificateFacts:
    certificate = one.certificate
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    if isinstance(certificate, Certificate2):
        valid_from = _moment(certificate.valid_from)
        forever = certificate.valid_s == NO_END
        valid_until = None if forever else _moment(certificate.valid_from + certificate.valid_s)
    return CertificateFacts(
        suite=int(one.suite),
        subject=certificate.subject,
        issuer=certificate.issuer,
        is_test=certificate.issuer == TEST_ISSUER,
        place=str(path),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _moment(unix_s: int) -> datetime | None:
    """A time of 40 bits, which reach further than calendars do."""
    try:
        return datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None

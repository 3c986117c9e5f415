"""Sealing of personal fields: AES-256-GCM under a data key per person, wrapped by the master key.

The place (table, column, row) is bound in as associated data, so that a sealed text moved elsewhere does not
open. Deleting a person's data key erases everything sealed about them (crypto-erasure), in backups too. Keys
never show in ``repr``, logs or problems. Where keys are kept is the key store's (``keystore``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Collection
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

V = TypeVar("V")

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class MasterKeyInvalid(ValueError):
    """The text is not a master key (32 bytes in base64); the text itself is not repeated."""

    def __init__(self) -> None:
        super().__init__("A master key is 32 random bytes in base64 (44 characters).")


class SealBroken(Exception):
    """The sealed bytes do not open here: another key, another place, or damaged. Never the person's fault."""


class Place(msgspec.Struct, frozen=True):
    """Where something sealed belongs: a column of a table, in the row of ``id``."""

    table: str
    column: str
    id: UUID

    @property
    def bound(self) -> bytes:
        """What is bound into the seal."""
        return f"{self.table}.{self.column}\0".encode() + self.id.bytes


class _Key:
    """A secret key that opens and seals; its bytes are never shown."""

    __slots__ = ("_bytes", "_cipher")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise MasterKeyInvalid
        self._bytes = key
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> str:
        raise TypeError("Keys are not pickled.")

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Return ``plain`` sealed for this place; sealing twice gives different bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plain, place.bound)

    def open(self, sealed: bytes, place: Place) -> bytes:
        """Return what was sealed for this place; raise SealBroken for every other key, place or byte."""
        if sealed[:1] != _FORMAT:
            raise SealBroken("unknown format")
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, place.bound)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"{place.table}.{place.column}") from error


class DataKey(_Key):
    """The key of one person: seals texts and values about them."""

    __slots__ = ()

    @classmethod
    def generate(cls) -> DataKey:
        """Return a new random key."""
        return cls(os.urandom(_KEY_BYTES))

    def seal_value(self, value: object, place: Place) -> bytes:
        """Seal a msgspec value as JSON."""
        return self.seal(msgspec.json.encode(value), place)

    def open_value(self, sealed: bytes, type_: type[V], place: Place) -> V:
        """Open a value that ``seal_value`` sealed for this place."""
        return msgspec.json.decode(self.open(sealed, place), type=type_)


class IndexKey(_Key):
    """The key of one organisation's name index."""

    __slots__ = ()

    @classmethod
    def generate(cls) -> IndexKey:
        """Return a new random key."""
        return cls(os.urandom(_KEY_BYTES))

    def digest(self, part: str) -> bytes:
        """Return the keyed hash of one normalised name part (HMAC-SHA-256, the first 16 bytes)."""
        return hmac.digest(self._bytes, part.encode(), "sha256")[:16]

    def digests(self, parts: Collection[str]) -> tuple[bytes, ...]:
        """Return the keyed hashes in an order that tells nothing about the name."""
        return tuple(sorted({self.digest(part) for part in parts}))


class MasterKey(_Key):
    """The key that wraps all data keys; it lives outside the database. ``id`` names it without telling it."""

    __slots__ = ("id",)

    def __init__(self, key: bytes) -> None:
        super().__init__(key)
        self.id: Final = hashlib.sha256(b"spurwechsel master key\0" + key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"MasterKey(id={self.id!r})"

    @classmethod
    def parse(cls, text: str) -> MasterKey:
        """Read a key from base64 text; raise MasterKeyInvalid without repeating the text."""
        try:
            return cls(base64.b64decode(text.strip(), validate=True))
        except (binascii.Error, ValueError):
            raise MasterKeyInvalid from None

    def derive(self, purpose: str, id_: UUID) -> bytes:
        """Return 32 bytes that only this key makes for this purpose and row (HMAC-SHA-256)."""
        return hmac.digest(self._bytes, f"spurwechsel derived {purpose}\0".encode() + id_.bytes, "sha256")

    def wrap(self, key: _Key, place: Place) -> bytes:
        """Return another key sealed under this one."""
        return self.seal(key._bytes, place)


def generate_master_key() -> str:
    """Return a new random master key as base64 text, for a secret store or the demo's folder."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()

"""What keeps the pages safe: cookies, the number in each form, where a request comes from, headers.

A form is taken only if the browser says that it comes from this site and it carries a number derived from
the session (or, before sign-in, from a cookie of the browser), which no other site can read.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from litestar.datastructures import Cookie

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline and nothing from other hosts. ``data:`` images are KERN's own signs, in its style."""


def policy_with_images(host: str) -> str:
    """Return the policy of a page that shows images of one other host, named by those who run this."""
    return CONTENT_SECURITY_POLICY.replace("img-src 'self'", f"img-src 'self' {host}")


HEADERS: Final = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
PERSONAL: Final = "no-store"
"""Cache-Control of every page for somebody who is signed in, and of every answer to a form."""

SHARED: Final = "private, no-cache"
"""Cache-Control of public pages: browsers ask again, proxies keep nothing."""

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class Cookies:
    """Names and attributes of the cookies. ``secure``: https only, bound to this host (``__Host-``)."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self.session: Final = f"{prefix}spurwechsel"
        self.form: Final = f"{prefix}spurwechsel-form"
        self.language: Final = f"{prefix}spurwechsel-language"
        self.said: Final = f"{prefix}spurwechsel-said"
        self.sign_on: Final = f"{prefix}spurwechsel-sign-on"
        self.signed_on: Final = f"{prefix}spurwechsel-signed-on"
        self._secure = secure

    def set(self, name: str, value: str, *, seconds: int | None = None) -> Cookie:
        """Return a cookie; without ``seconds`` it goes with the browser."""
        return Cookie(
            key=name,
            value=value,
            path="/",
            max_age=seconds,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )

    def drop(self, name: str) -> Cookie:
        """Return what removes a cookie."""
        return self.set(name, "", seconds=0)


def form_number(key: bytes, secret: str) -> str:
    """Return the number that a form must carry: of the cookie's secret, of no use without it."""
    return _text(hmac.digest(key, b"form " + secret.encode(), "sha256"))


def is_secret(value: str) -> bool:
    """Whether a cookie's value looks like one of our secrets."""
    return _SECRET.fullmatch(value) is not None


def of_this_site(headers: Mapping[str, str]) -> bool:
    """Whether the browser says that a request comes from a page of this site.

    Browsers send Sec-Fetch-Site (Fetch Metadata) with every request; older ones at least Origin with forms.
    What sends neither is no browser that another site could use.
    """
    fetched = headers.get("sec-fetch-site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def own_path(given: str | None, otherwise: str = "/") -> str:
    """Return an address within this site, or ``otherwise`` for every other one.

    >>> own_path("/clients?page=2"), own_path("//evil.example"), own_path("https://evil.example/")
    ('/clients?page=2', '/', '/')
    """
    if not given or len(given) > 1_000 or not given.startswith("/"):
        return otherwise
    if given.startswith(("//", "/\\")) or any(ord(c) <= 32 or c == "\\" or ord(c) == 127 for c in given):
        return otherwise
    parts = urlsplit(given)
    if parts.scheme or parts.netloc:
        return otherwise
    # what a header cannot carry is written as addresses write it
    return "".join(c if ord(c) < 127 else quote(c, errors="replace") for c in given)


def sealed(key: bytes, text: str) -> str:
    """Return a text with proof that it is ours, fit for a cookie; it is not hidden."""
    content = _text(text.encode())
    return f"{content}.{_text(hmac.digest(key, content.encode(), 'sha256'))}"


def opened(key: bytes, value: str) -> str | None:
    """Return the text of a sealed value, or None if it is not ours."""
    content, _, proof = value.partition(".")
    if not hmac.compare_digest(proof, _text(hmac.digest(key, content.encode(), "sha256"))):
        return None
    try:
        return base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")

"""Signing on at the town's own provider: OpenID Connect, code flow with PKCE, state and nonce.

What must be remembered between leaving and coming back stands in a sealed cookie of the browser for ten
minutes. The ID token is taken only with a signature by the provider's keys, for us, with our nonce.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from graphapi.web.options import SignOn

RETURN_PATH: Final = "/sign-on/return"
WITHIN: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512", "EdDSA")
"""Signatures with keys that only the provider has; never ``none`` or one made with our own secret."""

_KNOWN_FOR: Final = timedelta(hours=1)
_LEEWAY_SECONDS: Final = 60


class SignOnFailed(Exception):
    """Nobody was signed on; ``reason``: ``cancelled``, ``expired``, ``refused`` or ``away``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Pending(msgspec.Struct, frozen=True):
    """What is remembered while somebody is at the provider."""

    state: str
    nonce: str
    verifier: str
    goal: str
    begun: int


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the provider means: its own name for them, and their address if it says that it is verified.

    ``id_token``: what proves to the provider, at sign-out, whose session there is to end.
    """

    subject: str
    email: str | None
    id_token: str

    def __repr__(self) -> str:
        """Show nothing of a person: a repr ends up in logs."""
        return "Person(…)"


class _Provider(msgspec.Struct, frozen=True, kw_only=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None


class SignOnClient:
    """Talks to the provider; what it says of itself is asked once an hour, its keys when one is unknown."""

    def __init__(self, sign_on: SignOn, public_url: str) -> None:
        self._sign_on = sign_on
        self._back = f"{public_url}{RETURN_PATH}"
        self._home = f"{public_url}/"
        self._provider: _Provider | None = None
        self._keys: KeySet | None = None
        self._asked_at: datetime | None = None

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=10, follow_redirects=False, trust_env=False)

    async def begin(self, goal: str, now: datetime) -> tuple[str, Pending]:
        """Return where to send the browser, and what to remember; raises SignOnFailed."""
        provider = await self._known(now)
        pending = Pending(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            goal=goal,
            begun=int(now.timestamp()),
        )
        asked = {
            "response_type": "code",
            "client_id": self._sign_on.client_id,
            "redirect_uri": self._back,
            "scope": "openid email",
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": create_s256_code_challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in provider.authorization_endpoint else "?"
        return f"{provider.authorization_endpoint}{joint}{urlencode(asked)}", pending

    async def finish(self, given: Mapping[str, str], pending: Pending | None, now: datetime) -> Person:
        """Return who came back, from the parameters of the address; raises SignOnFailed."""
        if pending is None or not secrets.compare_digest(
            given.get("state", "").encode(), pending.state.encode()
        ):
            raise SignOnFailed("expired")
        if now.timestamp() - pending.begun > WITHIN.total_seconds():
            raise SignOnFailed("expired")
        provider = await self._known(now)
        if given.get("iss") not in {None, "", provider.issuer}:  # RFC 9207: an answer of another provider
            raise SignOnFailed("refused")
        if given.get("error"):
            raise SignOnFailed("cancelled" if given["error"] == "access_denied" else "refused")
        code = given.get("code", "")
        if not code or len(code) > 4_000:
            raise SignOnFailed("refused")
        try:
            async with self._http() as http:
                tokens = await self._redeem(http, provider, code, pending)
                claims = await self._checked(http, provider, tokens, pending, now)
                return await self._person(http, provider, tokens, claims)
        except (httpx.HTTPError, ValueError) as error:
            raise SignOnFailed("away" if isinstance(error, httpx.TransportError) else "refused") from error

    async def leave(self, id_token: str, now: datetime) -> str | None:
        """Return where the browser ends the session at the provider (OpenID Connect RP-Initiated Logout 1.0).

        None where the provider has no such place or does not answer: then only our own session ends.
        Without an ``id_token`` the provider asks whoever is there.
        """
        try:
            provider = await self._known(now)
        except SignOnFailed:
            return None
        address = provider.end_session_endpoint
        if address is None or urlsplit(address).scheme not in {"https", "http"}:
            return None
        asked = {"client_id": self._sign_on.client_id, "post_logout_redirect_uri": self._home}
        if id_token:
            asked["id_token_hint"] = id_token
        return f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}"

    async def _known(self, now: datetime) -> _Provider:
        if self._provider and self._asked_at and now - self._asked_at < _KNOWN_FOR:
            return self._provider
        address = f"{self._sign_on.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with self._http() as http:
                answer = await http.get(address)
                answer.raise_for_status()
                found = msgspec.json.decode(answer.content, type=_Provider)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise SignOnFailed("away") from error
        if found.issuer != self._sign_on.issuer:
            raise SignOnFailed("away")
        self._provider, self._keys, self._asked_at = found, None, now
        return found

    async def _redeem(
        self, http: httpx.AsyncClient, provider: _Provider, code: str, pending: Pending
    ) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": pending.verifier,
        }
        secret = self._sign_on.client_secret
        if secret is None:
            form["client_id"] = self._sign_on.client_id
            answer = await http.post(provider.token_endpoint, data=form)
        else:
            basic = httpx.BasicAuth(self._sign_on.client_id, secret)
            answer = await http.post(provider.token_endpoint, data=form, auth=basic)
        if answer.status_code != httpx.codes.OK:
            raise SignOnFailed("refused")
        tokens = answer.json()
        if not isinstance(tokens, dict) or not isinstance(tokens.get("id_token"), str):
            raise SignOnFailed("refused")
        return tokens

    async def _checked(
        self,
        http: httpx.AsyncClient,
        provider: _Provider,
        tokens: dict[str, Any],
        pending: Pending,
        now: datetime,
    ) -> dict[str, Any]:
        try:
            token = jwt.decode(tokens["id_token"], await self._key_set(http, provider), list(ALGORITHMS))
        except (JoseError, ValueError):  # perhaps the keys were changed since they were asked for
            try:
                keys = await self._key_set(http, provider, anew=True)
                token = jwt.decode(tokens["id_token"], keys, list(ALGORITHMS))
            except (JoseError, ValueError) as error:
                raise SignOnFailed("refused") from error
        claims = CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": self._sign_on.client_id},
            },
            params={
                "nonce": pending.nonce,
                "client_id": self._sign_on.client_id,
                "access_token": tokens.get("access_token"),
            },
        )
        try:
            claims.validate(now=int(now.timestamp()), leeway=_LEEWAY_SECONDS)
        except JoseError as error:
            raise SignOnFailed("refused") from error
        return dict(token.claims)

    async def _key_set(self, http: httpx.AsyncClient, provider: _Provider, *, anew: bool = False) -> KeySet:
        if self._keys is None or anew:
            answer = await http.get(provider.jwks_uri)
            answer.raise_for_status()
            self._keys = KeySet.import_key_set(answer.json())
        return self._keys

    async def _person(
        self,
        http: httpx.AsyncClient,
        provider: _Provider,
        tokens: dict[str, Any],
        claims: dict[str, Any],
    ) -> Person:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise SignOnFailed("refused")
        told = claims
        if "email" not in claims and provider.userinfo_endpoint and tokens.get("access_token"):
            bearer = {"authorization": f"Bearer {tokens['access_token']}"}
            answer = await http.get(provider.userinfo_endpoint, headers=bearer)
            found = answer.json() if answer.status_code == httpx.codes.OK else {}
            if isinstance(found, dict) and found.get("sub") == subject:
                told = found
        email = told.get("email")
        verified = told.get("email_verified") is True and isinstance(email, str) and len(email) <= 320
        return Person(
            subject=subject, email=str(email) if verified else None, id_token=str(tokens["id_token"])
        )

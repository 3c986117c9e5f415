"""The way to a Meilisearch server: the official client with kept connections, time limits and few retries.

Everything here blocks. Whatever keeps the server from answering becomes SearchUnavailable, so that another
engine can answer.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

import meilisearch
import requests
from meilisearch._httprequests import HttpRequests
from meilisearch.config import Config
from meilisearch.errors import MeilisearchApiError, MeilisearchError, MeilisearchTimeoutError
from meilisearch.index import Index
from meilisearch.models.task import TaskInfo
from requests.adapters import HTTPAdapter

from search.engine import SearchUnavailable

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 3.0
"""How long a search waits for the server: then another engine answers."""

HAND_OVER_SECONDS: Final = 60.0
"""How long the server may take to receive a batch."""

STALLED_SECONDS: Final = 20.0
"""How long a busy server may take nothing of a batch while it is sent; connecting may then last as long."""

TASK_SECONDS: Final = 300.0
"""How long the server may take to index a batch."""

ATTEMPTS: Final = 2
"""How often a question is asked: a kept connection that the server has closed is no answer."""

REST_SECONDS: Final = 2.0
"""How long a server that did not answer in time is left alone: each search would wait as long again."""

POOL: Final = 32


class TaskFailed(SearchUnavailable):
    """The server took a task and could not do it; ``code`` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Connections(HttpRequests):
    """The client's requests over kept connections, with headers of its own for each, so threads share it."""

    def __init__(self, config: Config, session: requests.Session, connect: float, seconds: float) -> None:
        super().__init__(config)
        self._session = session
        self._seconds = (connect, seconds)  # the first is also the limit of each step of sending

    def send_request(self, http_method: Any, path: str, body: Any = None, *rest: Any, **more: Any) -> Any:
        own = HttpRequests(self.config)
        session, seconds = self._session, self._seconds

        def sent(url: str, **given: Any) -> requests.Response:
            # The key goes to this server only: a redirect is an error, not an address.
            return session.request(
                http_method.__name__, url, **(given | {"timeout": seconds, "allow_redirects": False})
            )

        sent.__name__ = http_method.__name__
        return own.send_request(sent, path, body, *rest, **more)


class Server:
    """One server, shared by all threads of a process."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc of the machine: the setting says where it is
        # A packed answer arrives in pieces, and the server waits 40 ms for the first to be acknowledged.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=2, pool_maxsize=POOL))
        self._client = meilisearch.Client(self.url, key)
        self._asking = _Connections(self._client.config, self._session, CONNECT_SECONDS, ANSWER_SECONDS)
        self._handing = _Connections(self._client.config, self._session, STALLED_SECONDS, HAND_OVER_SECONDS)
        self._client.http = self._asking
        self._resting_until = 0.0
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    # --- questions

    def ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, patiently: bool = False
    ) -> dict[str, Any]:
        """Return the answer to a question that changes nothing; POST where it has a body, else GET.

        ``patiently``: nobody waits for the answer, and a server that is busy indexing may take its time.
        """
        if time.monotonic() < self._resting_until and not patiently:
            raise SearchUnavailable("resting")
        asking = self._handing if patiently else self._asking
        for attempt in range(1, ATTEMPTS + 1):
            try:
                found: dict[str, Any] = asking.get(path) if body is None else asking.post(path, body)
            except MeilisearchTimeoutError as error:
                if not patiently:
                    self._resting_until = time.monotonic() + REST_SECONDS
                raise SearchUnavailable(type(error).__name__) from error
            except MeilisearchApiError as error:
                raise SearchUnavailable(error.code or str(error.status_code)) from error
            except (MeilisearchError, requests.RequestException, ValueError) as error:
                if attempt == ATTEMPTS:
                    raise SearchUnavailable(type(error).__name__) from error
                time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - only so that threads do not move as one
            else:
                return found
        raise AssertionError("unreachable")

    def searches(self, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers to several searches, asked at once."""
        if not queries:
            return []
        answers = self.ask("multi-search", {"queries": list(queries)})["results"]
        if len(answers) != len(queries):
            raise SearchUnavailable("answers")
        return list(answers)

    def documents(self, index: str, **asked: Any) -> list[dict[str, Any]]:
        """Return documents by ``ids`` or ``filter``, with only the ``fields`` asked for."""
        return list(self.ask(f"indexes/{index}/documents/fetch", asked)["results"])

    def is_there(self, index: str) -> bool:
        """Whether an index exists."""
        try:
            self.ask(f"indexes/{index}")
        except SearchUnavailable as error:
            if error.args == ("index_not_found",):
                return False
            raise
        return True

    # --- keys

    def new_key(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Make a key; raises SearchUnavailable if the server does not."""
        try:
            return dict(self._asking.post("keys", dict(options)))
        except (MeilisearchError, requests.RequestException, ValueError) as error:
            raise SearchUnavailable(getattr(error, "code", None) or type(error).__name__) from error

    def token(self, uid: str, key: str, rules: Mapping[str, Any], until: datetime) -> str:
        """Return a tenant token that is signed with a key; nothing is asked of the server."""
        return self._client.generate_tenant_token(uid, dict(rules), expires_at=until, api_key=key)

    # --- tasks

    def _index(self, uid: str) -> Index:
        index = Index(self._client.config, uid)
        index.http = self._handing
        return index

    def create(self, index: str) -> None:
        """Make an empty index."""
        # Not create_index of the client: it opens a connection of its own, without a time limit.
        self._done(lambda: TaskInfo(**self._asking.post("indexes", {"uid": index, "primaryKey": "id"})))

    def set_up(self, index: str, settings: Mapping[str, Any]) -> None:
        """Give an index its settings."""
        self._done(lambda: self._index(index).update_settings(dict(settings)))

    def put(self, index: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Put documents in one task: all of them can be read afterwards, or none."""
        self._done(lambda: self._index(index).add_documents(documents, "id"))

    def put_later(self, index: str, documents: bytes) -> int:
        """Hand an encoded list of documents over and return the task; the server does tasks in order."""
        return self._begun(lambda: self._index(index).add_documents_json(documents, "id"))

    def delete(self, index: str, condition: str) -> None:
        """Delete the documents that meet a condition."""
        self._done(lambda: self._index(index).delete_documents(filter=condition))

    def swap(self, waiting: str, serving: str) -> None:
        """Let an index take another's place in one step; where there is none, it only takes the name."""
        rename = not self.is_there(serving)
        self._done(lambda: self._client.swap_indexes([{"indexes": [waiting, serving], "rename": rename}]))

    def drop(self, index: str) -> None:
        """Delete an index; one that is not there is fine."""
        try:
            self._done(lambda: self._client.delete_index(index))
        except TaskFailed as failed:
            if failed.code != "index_not_found":
                raise

    def drop_later(self, index: str) -> None:
        """Ask for an index to be deleted, without waiting and whatever comes of it."""
        try:
            self._client.delete_index(index)
        except (MeilisearchError, requests.RequestException, ValueError):
            return

    def indexes(self) -> list[dict[str, Any]]:
        """Return the indexes of the server, with when each was changed last."""
        return list(self.ask("indexes?limit=1000")["results"])

    def _done(self, begin: Any) -> None:
        """Hand a task over and wait until the server has done it.

        Nothing is handed over twice: whether a task whose answer was lost is done is for the caller to ask.
        """
        self.wait(self._begun(begin))

    def _begun(self, begin: Any) -> int:
        try:
            return int(begin().task_uid)
        except (MeilisearchError, requests.RequestException, ValueError) as error:
            _refuse(error)

    def wait(self, task: int, seconds: float = TASK_SECONDS) -> None:
        """Wait until the server has done a task; raises TaskFailed if it could not."""
        until = time.monotonic() + seconds
        pause = 0.002
        while True:
            found = self.ask(f"tasks/{task}", patiently=True)
            status = found.get("status")
            if status == "succeeded":
                return
            if status in {"failed", "canceled"}:
                raise TaskFailed((found.get("error") or {}).get("code") or str(status))
            if time.monotonic() > until:
                raise SearchUnavailable("task")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)


def _refuse(error: Exception) -> NoReturn:
    if isinstance(error, MeilisearchApiError):
        if error.status_code in {400, 413}:
            raise TaskFailed(error.code or "payload") from error
        raise SearchUnavailable(error.code or str(error.status_code)) from error
    raise SearchUnavailable(type(error).__name__) from error

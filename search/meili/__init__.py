"""Meilisearch behind the port of search: for directories that one host's local index no longer serves.

It passes the contract of the local engine whole. Where it differs all the same:

- equal hits are ordered by room after freshness and before the id;
- circles around a service with one place are measured by the server, and agree to some metres;
- a prefix, an ending or a misspelling scores by at most ``searching.MOST_LOOKED_UP`` words of the index, and
  a misspelling finds by these only;
- of more than ``engine.DEEPEST`` hits, the order is that of the ones looked at (``searching``).
"""

"""Meilisearch behind the port of search: for directories that one host's local index no longer serves.

It passes the contract of the local engine whole. Where it differs all the same:

- equal hits are ordered by room after freshness and before the id;
- circles around a service with one place are measured by the server, and agree to some metres;
- a misspelling or an ending means at most ``searching.MOST_ALIKE`` words of the index;
- of more than ``searching.MOST_WEIGHED`` hits, the best are ordered by their words, the others by freshness.
"""

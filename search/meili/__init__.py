"""Meilisearch behind the port of search: for directories that one host's local index no longer serves."""

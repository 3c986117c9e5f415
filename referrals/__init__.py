"""Sending a person to a partner with their consent, and hearing what came of it."""

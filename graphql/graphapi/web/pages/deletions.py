"""Proofs of what was deleted, by class, for leads: what the data protection officer asks for; no names."""

from __future__ import annotations

from graphapi.web.routes import LEADS, page
from graphapi.web.visiting import Answer, Visit
from referrals.personal_data.retention import BY_KEY


@page("/deletions", roles=LEADS)
async def deletions(visit: Visit) -> Answer:
    """Show the last runs, and which deletions are held."""
    words = {key: entry.what[visit.language] for key, entry in BY_KEY.items()}
    holds = await visit.find("browse-legal-holds", first=100)
    return visit.page(
        "lead/deletions.html",
        runs=await visit.find("browse-deletion-runs", first=20),
        words=words,
        holds=[one for one in holds if one["inForce"]],
    )

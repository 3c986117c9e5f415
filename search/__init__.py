"""Finding the right service; never sees client data (it must not import referrals)."""

"""Who is in the network and what they offer; knows nothing of referrals, search or the web."""

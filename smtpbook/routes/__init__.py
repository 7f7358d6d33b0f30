"""How mail for a domain travels between servers, and what keeps it secret on the way."""

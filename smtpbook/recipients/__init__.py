"""Recipients: lists of people to write to, read from what users have, and checked."""

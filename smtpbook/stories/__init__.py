"""Stories: all that is known of one recipient, attempt by attempt, and what to do now."""

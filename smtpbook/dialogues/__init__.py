"""What clients tell of a conversation, as rows; and what is wrong with it."""

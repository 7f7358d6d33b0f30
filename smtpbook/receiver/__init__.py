"""The other side of unsubscribing: requests by web and by mail, and where they are kept."""

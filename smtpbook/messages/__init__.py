"""Messages: from a template and a row of the list to mail data ready for the wire."""

"""Bodies: other forms of text (Markdown, HTML, pages, tables) turned into mail bodies."""

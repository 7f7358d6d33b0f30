"""MaxBulk Mailer's templates and documents, read so that they can be used here.

`translate_maxbulk` turns a template into a native one and reports how each thing was read;
`document` reads a ``.mbm`` file as far as its format is known; `rules` is the grammar,
`report` what a reader is told.  Nothing here renders or sends a letter.

References
----------
The MaxBulk Mailer user guide, "Conditional messages" and "Message formats" (the marker
``<-- START -->``).  What it leaves open is an option of `translate_maxbulk`.
"""

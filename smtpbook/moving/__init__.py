"""Moving: accounts, lists and suppressions to another computer, in one file.

`archive` is the file, `outgoing` writes it, `incoming` takes over what it holds; `moved`
tells what became of each thing.
"""

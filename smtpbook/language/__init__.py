"""Language: what a template may say, how its parts are compiled, filled in and traced."""

"""``python -m smtpbook`` is the command ``smtpbook``."""

from __future__ import annotations

from smtpbook.cli.main import main

if __name__ == "__main__":
    main()

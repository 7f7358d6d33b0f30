"""One target under atheris: ``python -m tests.fuzz.worker TARGET``, libFuzzer's options."""

from __future__ import annotations

import os
import sys

import atheris

with atheris.instrument_imports(
    include=["smtpbook.protocol", "smtpbook.transfer"], enable_loader_override=False
):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer has had its time, or has found something."""
    os.nice(10)
    program, target, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Groups of commands: they name the near miss of a command that does not exist."""

from __future__ import annotations

from typing import Any

import click

from smtpbook.errors import near_miss


class Group(click.Group):
    """Commands below a command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command that is meant, or fail with the one that may be."""
        if args and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no command {args[0]!a}{near_miss(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

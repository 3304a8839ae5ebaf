"""Commands that this version has not, named so that nobody looks for a mistake of their own."""

from __future__ import annotations

import typer

from app.commands.failure import WrongUsage

COMMANDS = ("bill", "import")
ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def tell(context: typer.Context) -> None:
    """Not in this version."""
    raise WrongUsage(f"`{context.info_name}` is not in this version; see: tollkeeper --help")

"""``completion``: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

SHELLS = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command
@click.argument("shell", type=click.Choice(list(SHELLS)), help="The shell.")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and files in a shell.

    For bash add this line to ~/.bashrc, for zsh the same with zsh to ~/.zshrc:

    eval "$(emojifier-bot completion bash)"

    For fish run this once:

    emojifier-bot completion fish > ~/.config/fish/completions/emojifier-bot.fish
    """
    root = ctx.find_root()
    program = root.info_name or ""
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    print(SHELLS[shell](root.command, {}, program, variable).source())

"""``completion``: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import click


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and files in a shell.

    For bash add this line to ~/.bashrc, for zsh the same with zsh to ~/.zshrc:

    \b
    eval "$(emojifier-bot completion bash)"

    For fish run this once:

    \b
    emojifier-bot completion fish > ~/.config/fish/completions/emojifier-bot.fish
    """  # noqa: D301 - a real backspace, which keeps click from wrapping a line
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kinds = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    root = ctx.find_root()
    program = root.info_name or ""
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    print(kinds[shell](root.command, {}, program, variable).source())

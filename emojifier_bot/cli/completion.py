"""``completion``: the script by which a shell completes commands, options and files."""

from __future__ import annotations

import click


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for a shell that completes what you type.

    It knows commands, options and files. For bash add this line to ~/.bashrc:

    \b
    eval "$(emojifier-bot completion bash)"

    For zsh these to ~/.zshrc; the first may be there already:

    \b
    autoload -U compinit; compinit
    eval "$(emojifier-bot completion zsh)"

    For fish add this line to ~/.config/fish/config.fish:

    \b
    emojifier-bot completion fish | source
    """  # noqa: D301 - a real backspace, which keeps click from wrapping a line
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    kinds = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    root = ctx.find_root()
    program = root.info_name or ""
    variable = f"_{program.replace('-', '_').upper()}_COMPLETE"
    print(kinds[shell](root.command, {}, program, variable).source())

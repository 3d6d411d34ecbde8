"""Markdown tables, and pages whose tables are filled with what was measured.

A page is prose with tables. Above each table that is filled stands a comment with its
name, ``<!-- by_height -->``; everything else in the page stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

#: The name of a block, and the table or the commands that follow it.
BLOCK = re.compile(r"<!-- (\w+) -->\n(```sh\n(?:.*\n)*?```\n|(?:\|.*\n)*)")


def filled(text: str, blocks: Mapping[str, str]) -> str:
    r"""Return a page with its blocks replaced; an unknown name is left alone.

    >>> filled("<!-- size -->\n| old |\n\nend\n", {"size": "| new |\n"})
    '<!-- size -->\n| new |\n\nend\n'
    """

    def fill(found: re.Match[str]) -> str:
        name, old = found.groups()
        return f"<!-- {name} -->\n{blocks.get(name, old)}"

    return BLOCK.sub(fill, text)


def markdown(
    headings: Sequence[str], rules: Sequence[str], rows: Iterable[Sequence[str]]
) -> str:
    """Return a Markdown table.

    >>> print(markdown(["a"], ["--:"], [["1"]]), end="")
    | a |
    |--:|
    | 1 |
    """
    lines = [f"| {' | '.join(headings)} |", f"|{'|'.join(rules)}|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.slack.links import SlackFileLink, slack_file_in

FILE, USER = "F0123ABCD", "U0123ABCD"
HERE = frozenset({"127.0.0.1:8080"})


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("", None),
        ("https://pictures.example/party.jpg", None),
        ("https://[::", None),
        (f"https://acme.slack.com/archives/C0123ABCD/p{FILE}", None),
        (f"https://acme.slack.com/files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"https://ACME.slack.com./files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"https://acme.enterprise.slack.com/files/W0123ABCD/{FILE}", (FILE, "W…")),
        (f"https://files.slack.com/files-pri/T1-{FILE}/a.png?pub_secret=1", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1-{FILE}/download/a.png", (FILE, "")),
        (f"https://files.slack.com/files-tmb/T1-{FILE}-abc/a_720.png", (FILE, "")),
        (f"https://slack-files.com/T1-{FILE}-0123456789", (FILE, "")),
        (f"https://files.slack-gov.com/files-pri/T1-{FILE}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1-%46{FILE[1:]}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri/T1%2D{FILE}/a.png", (FILE, "")),
        (f"https://files.slack.com/files-pri%2FT1-{FILE}%2Fa.png", (FILE, "")),
        (f"http://127.0.0.1:8080/files/{USER}/{FILE}/a.png", (FILE, USER)),
        (f"http://user@127.0.0.1:8080/files-pri/T1-{FILE}/a.png", (FILE, "")),
        (f"http://127.0.0.1:8081/files/{USER}/{FILE}/a.png", None),
        (f"https://notslack.com/files/{USER}/{FILE}/a.png", None),
        (f"https://slack.com.example/files/{USER}/{FILE}/a.png", None),
        ("https://files.slack.com/files-pri/T1-Fshort/a.png", None),
    ],
)
def test_which_file_an_address_names(address, found):
    link = slack_file_in(address, HERE)

    wanted = found and SlackFileLink(found[0], found[1].replace("W…", "W0123ABCD"))
    assert link == wanted


@given(st.text())
def test_nothing_that_is_typed_breaks_it(address):
    slack_file_in(address, HERE)
    slack_file_in(f"https://files.slack.com/{address}", HERE)

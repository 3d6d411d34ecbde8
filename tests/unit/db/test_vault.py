from __future__ import annotations

import stat

import pytest

from emojifier_bot.db.key_file import key_file_beside, read_or_make
from emojifier_bot.db.vault import FernetVault, generate_key, open_vault
from emojifier_bot.errors import ConfigError, StoreError, VaultError

OLD, NEW = generate_key(), generate_key()
POSTGRES = "postgresql+psycopg://bot:hunter2@db/bot"


@pytest.fixture
def file(tmp_path):
    return key_file_beside(tmp_path / "bot.db")


def test_the_newest_key_seals_and_every_key_opens():
    sealed = FernetVault([OLD]).seal("secret")
    vault = FernetVault([NEW, OLD])

    assert vault.unseal(sealed) == "secret"
    assert FernetVault([NEW]).unseal(vault.seal("secret")) == "secret"


def test_renewing_changes_the_key_once():
    vault = FernetVault([NEW, OLD])

    renewed = vault.renew(FernetVault([OLD]).seal("secret"))

    assert FernetVault([NEW]).unseal(renewed) == "secret"
    assert vault.renew(renewed) == renewed


@pytest.mark.parametrize(
    "sealed",
    ["", "é", FernetVault([OLD]).seal("secret")],
    ids=["empty", "not ascii", "other key"],
)
def test_what_no_key_opens_cannot_be_renewed(sealed):
    with pytest.raises(VaultError, match="keys of ENCRYPTION_KEYS"):
        FernetVault([NEW]).renew(sealed)


@pytest.mark.parametrize(
    "keys", [[], ["hunter2"], [OLD, "hunter2"], [OLD[:-2]], ["é" * 44]]
)
def test_wrong_keys_are_told_by_number_never_by_value(keys):
    with pytest.raises(ConfigError, match="`emojifier-bot keys new` prints") as caught:
        FernetVault(keys)

    assert not any(key in caught.value.message for key in keys)


def test_every_wrong_key_is_told():
    with pytest.raises(ConfigError) as caught:
        FernetVault(["x", OLD, "y"])

    told = [problem.split(" is no key")[0] for problem in caught.value.problems]
    assert told == ["Key 1 of ENCRYPTION_KEYS", "Key 3 of ENCRYPTION_KEYS"]


def test_new_keys_differ():
    assert OLD != NEW
    assert len(OLD) == 44


@pytest.mark.parametrize("keys", ["{0},{1}", " {0} ,\n{1},", "{0}"])
def test_given_keys_win_over_the_file(keys, file, tmp_path):
    vault = open_vault(keys.format(NEW, OLD), f"sqlite:///{tmp_path}/bot.db")

    assert FernetVault([NEW]).unseal(vault.seal("secret")) == "secret"
    assert not file.exists()


def test_postgres_wants_keys():
    with pytest.raises(ConfigError, match="keys new") as caught:
        open_vault(" , ", POSTGRES)

    assert "hunter2" not in caught.value.message


def test_sqlite_has_a_file_of_keys_beside_it(file, tmp_path):
    url = f"sqlite:///{tmp_path}/bot.db"

    sealed = open_vault("", url).seal("secret")

    assert open_vault("", url).unseal(sealed) == "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("# Keys of the tokens")
    assert [one.name for one in tmp_path.iterdir()] == ["bot.db.keys"]


def test_a_broken_file_of_keys_is_told(file, tmp_path):
    file.write_text("# nothing\n")

    with pytest.raises(ConfigError, match=r"bot\.db\.keys holds no key"):
        open_vault("", f"sqlite:///{tmp_path}/bot.db")


def test_a_key_above_the_others_seals(file):
    read_or_make(file, lambda: OLD)

    file.write_text(f"{NEW}\n{file.read_text()}")

    assert read_or_make(file, generate_key) == [NEW, OLD]


def test_a_folder_in_the_place_of_the_file_is_told(file):
    file.mkdir()

    with pytest.raises(StoreError, match="cannot be read or made") as caught:
        read_or_make(file, generate_key)

    assert str(file) in caught.value.message


def test_a_missing_folder_is_told(tmp_path):
    file = tmp_path / "missing" / "bot.db.keys"

    with pytest.raises(StoreError, match="set ENCRYPTION_KEYS"):
        read_or_make(file, generate_key)


def test_what_is_no_text_is_told(file):
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(StoreError, match="it is not text"):
        read_or_make(file, generate_key)

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.db.crypto import (
    Vault,
    generate_key,
    key_file_beside,
    open_vault,
    read_or_make_key_file,
)
from emojifier_bot.errors import ConfigError, StoreError, VaultError

OLD, NEW = generate_key(), generate_key()
POSTGRES = "postgresql+psycopg://bot:hunter2@db/bot"
SEALED = Vault([OLD]).seal("hunter2")
CHANGED = SEALED[:-5] + ("A" if SEALED[-5] != "A" else "B") + SEALED[-4:]


@pytest.fixture
def file(tmp_path):
    return key_file_beside(tmp_path / "bot.db")


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/bot.db"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_and_looks_different_each_time(plain):
    vault = Vault([NEW])

    sealed = vault.seal(plain)

    assert vault.unseal(sealed) == plain
    assert sealed.isascii()
    assert sealed != vault.seal(plain)


@pytest.mark.parametrize(
    "sealed",
    ["", "no", "gAAAAA", "é😆", "\0", "=", "a b", pytest.param(CHANGED, id="changed")],
)
@pytest.mark.parametrize("do", [Vault.unseal, Vault.renew])
def test_a_changed_or_foreign_text_is_refused(do, sealed):
    with pytest.raises(VaultError, match="keys of ENCRYPTION_KEYS"):
        do(Vault([OLD]), sealed)


def test_another_key_opens_nothing_and_reveals_nothing():
    with pytest.raises(VaultError) as caught:
        Vault([NEW]).unseal(SEALED)

    assert caught.value.kind == "vault"
    assert "hunter2" not in caught.value.message
    assert SEALED not in caught.value.message


def test_the_newest_key_seals_and_every_key_opens():
    vault = Vault([NEW, OLD])

    assert vault.unseal(SEALED) == "hunter2"
    assert Vault([NEW]).unseal(vault.seal("secret")) == "secret"


def test_renewing_changes_the_key_once():
    vault = Vault([NEW, OLD])

    renewed = vault.renew(SEALED)

    assert Vault([NEW]).unseal(renewed) == "hunter2"
    assert vault.renew(renewed) == renewed


@pytest.mark.parametrize(
    "keys", [[], ["hunter2"], [OLD, "hunter2"], [OLD[:-2]], ["é" * 44]]
)
def test_a_wrong_key_is_never_shown(keys):
    with pytest.raises(ConfigError, match="`emojifier-bot keys new` prints") as caught:
        Vault(keys)

    assert not any(key in caught.value.message for key in keys)


def test_every_wrong_key_is_reported_by_number():
    with pytest.raises(ConfigError) as caught:
        Vault(["x", OLD, "y"])

    told = [problem.split(" is no key")[0] for problem in caught.value.problems]
    assert told == ["Key 1 of ENCRYPTION_KEYS", "Key 3 of ENCRYPTION_KEYS"]


@pytest.mark.parametrize("keys", ["{0},{1}", " {0} ,\n{1},", "{0}"])
def test_given_keys_win_over_the_file(keys, file, url):
    vault = open_vault(keys.format(NEW, OLD), url)

    assert Vault([NEW]).unseal(vault.seal("secret")) == "secret"
    assert not file.exists()


def test_postgres_requires_keys():
    with pytest.raises(ConfigError, match="keys new") as caught:
        open_vault(" , ", POSTGRES)

    assert "hunter2" not in caught.value.message


def test_sqlite_has_a_file_of_keys_beside_it(file, url, tmp_path):
    sealed = open_vault("", url).seal("secret")

    assert open_vault("", url).unseal(sealed) == "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().startswith("# Keys of the tokens")
    assert [one.name for one in tmp_path.iterdir()] == ["bot.db.keys"]


@pytest.mark.parametrize("keys_are_lost", [False, True])
def test_keys_are_made_for_a_new_database_only(file, url, tmp_path, keys_are_lost):
    database = tmp_path / "bot.db"
    database.touch()
    sealed = open_vault("", url).seal("token")
    database.write_bytes(b"tables")

    if keys_are_lost:
        file.unlink()
        with pytest.raises(StoreError, match=r"bot\.db\.keys is missing\. Put it back"):
            open_vault("", url)
        assert not file.exists()
    else:
        assert open_vault("", url).unseal(sealed) == "token"


def test_a_key_above_the_others_seals(file):
    [old] = read_or_make_key_file(file)

    file.write_text(f"{NEW}\n{file.read_text()}")

    assert read_or_make_key_file(file) == [NEW, old]


def test_a_file_without_keys_is_refused(file, url):
    file.write_text("# nothing\n")

    with pytest.raises(ConfigError, match=r"bot\.db\.keys holds no key"):
        open_vault("", url)


def test_a_file_that_cannot_be_read_or_made_is_reported(file, tmp_path):
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(StoreError, match="it is not text"):
        read_or_make_key_file(file)
    file.unlink()

    file.mkdir()
    with pytest.raises(StoreError, match="cannot be read or made") as caught:
        read_or_make_key_file(file)
    assert str(file) in caught.value.message

    with pytest.raises(StoreError, match="set ENCRYPTION_KEYS"):
        read_or_make_key_file(tmp_path / "missing" / "bot.db.keys")

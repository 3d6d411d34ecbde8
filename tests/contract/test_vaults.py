"""What every vault keeps, the fake included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emojifier_bot.db.vault import FernetVault, generate_key
from emojifier_bot.errors import VaultError
from tests.fakes.stores import FakeVault


def fernet_vault():
    return FernetVault([generate_key()])


@pytest.fixture(params=[fernet_vault, FakeVault], ids=["fernet", "fake"])
def make_vault(request):
    return request.param


@pytest.fixture
def vault(make_vault):
    return make_vault()


@pytest.mark.parametrize("plain", ["", "xoxb-1", "é😆\n\0", "x" * 5000])
def test_opens_what_it_sealed(vault, plain):
    sealed = vault.seal(plain)

    assert vault.unseal(sealed) == plain
    assert not plain or plain not in sealed
    assert sealed.isascii()


def test_the_same_secret_looks_different_each_time(vault):
    assert vault.seal("same") != vault.seal("same")


@pytest.mark.parametrize("sealed", ["", "no", "gAAAAA", "é😆", "\0", "=", "a b"])
def test_refuses_what_it_did_not_seal(vault, sealed):
    with pytest.raises(VaultError):
        vault.unseal(sealed)


def test_refuses_what_was_changed(vault):
    sealed = vault.seal("hunter2")
    other = "A" if sealed[-5] != "A" else "B"

    with pytest.raises(VaultError):
        vault.unseal(sealed[:-5] + other + sealed[-4:])


def test_refuses_what_another_one_sealed(make_vault, vault):
    sealed = make_vault().seal("hunter2")

    with pytest.raises(VaultError) as caught:
        vault.unseal(sealed)

    assert caught.value.kind == "vault"
    assert "hunter2" not in caught.value.message
    assert sealed not in caught.value.message


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(plain):
    vault = fernet_vault()

    assert vault.unseal(vault.seal(plain)) == plain

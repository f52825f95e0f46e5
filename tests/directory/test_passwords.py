import asyncio

import bcrypt
import pytest

from convstore.directory import passwords
from convstore.errors import Busy


async def test_a_password_opens_its_hash_and_no_other_does() -> None:
    hashed = await passwords.hash_password("district")
    assert await passwords.verify(hashed, "district")
    assert not await passwords.verify(hashed, "District")
    assert hashed.startswith("$argon2id$")
    assert "district" not in hashed


@pytest.mark.parametrize("kind", ["$2a$", "$2b$", "$2y$"])
async def test_bcrypt_hashes_of_all_kinds_are_verified(kind: str) -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode().replace("$2b$", kind)
    assert hashed == passwords.imported_hash(hashed)
    assert await passwords.verify(hashed, "district")
    assert not await passwords.verify(hashed, "wrong")


async def test_a_password_longer_than_bcrypt_reads_is_cut_as_the_maker_of_the_hash_cut_it() -> None:
    long = "é" * 60
    hashed = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    assert await passwords.verify(hashed, long)


async def test_nobodys_hash_opens_to_nothing() -> None:
    assert not await passwords.verify(None, "district")


def test_a_label_before_the_hash_is_taken_off() -> None:
    hashed = bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode()
    assert hashed == passwords.imported_hash("{bcrypt}" + hashed)


@pytest.mark.parametrize("text", ["district", "$2a$31$" + "a" * 53, "$2a$10$tooshort", "", "{noop}district"])
def test_what_is_no_usable_bcrypt_hash_is_not_taken_for_one(text: str) -> None:
    assert passwords.imported_hash(text) is None


@pytest.mark.parametrize(
    "text", ["$2a$31$" + "a" * 53, "{noop}district", "$argon2id$v=19$m=1,t=1,p=1$YWJj$YWJj", "$6$x$y"]
)
def test_a_hash_that_cannot_be_used_is_not_taken_for_a_password(text: str) -> None:
    assert passwords.looks_hashed(text)


@pytest.mark.parametrize("text", ["district", "$ecret$$$", "Test1212?", "{a", "$2.50 please"])
def test_a_password_is_not_taken_for_a_hash(text: str) -> None:
    assert not passwords.looks_hashed(text)


def test_a_hash_of_another_cost_or_kind_is_to_be_made_anew() -> None:
    assert passwords.is_ours(passwords.hash_now("district"))
    assert not passwords.is_ours(bcrypt.hashpw(b"district", bcrypt.gensalt(4)).decode())
    assert not passwords.is_ours("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA")


async def test_a_flood_is_turned_away_rather_than_piled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 3)
    answers = await asyncio.gather(*(passwords.verify(None, str(n)) for n in range(10)), return_exceptions=True)
    assert 3 == answers.count(False)
    assert 7 == sum(isinstance(answer, Busy) for answer in answers)
    assert not await passwords.verify(None, "again")

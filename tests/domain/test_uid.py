import hashlib

import pytest
from hypothesis import given as whatever
from hypothesis import strategies as st

from convstore.domain.uid import RESERVED, derive_uid, is_uid, new_uid, partition_of

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


def test_a_new_uid_is_one() -> None:
    assert all(is_uid(new_uid()) for _ in range(2_000))


def test_new_uids_differ() -> None:
    assert len({new_uid() for _ in range(2_000)}) == 2_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ZjHHSjyyeJ",
        "ZjHHSjyyeJ22",
        "1jHHSjyyeJ2",
        "ZjHHSj-yeJ2",
        "ZjHHSjyyeJ2\n",
        " ZjHHSjyyeJ",
        "ZjHHSjyyeJé",
        "ZjHHSjyyeJ\u0662",
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_uid(text)


def test_the_words_of_paths_that_have_the_form_of_a_uid_are_reserved() -> None:
    assert {"attachments", "explanation"} == {word for word in RESERVED if is_uid(word)}


def test_no_reserved_word_becomes_a_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((1, 1, 2))
    monkeypatch.setattr("convstore.domain.uid.secrets.randbelow", lambda _below: next(drawn))
    first = new_uid()
    monkeypatch.setattr("convstore.domain.uid.RESERVED", RESERVED | {first})
    second = new_uid()
    assert first != second
    assert is_uid(second)


def test_nor_a_derived_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = derive_uid(b"secret", "ann", "key")
    monkeypatch.setattr("convstore.domain.uid.RESERVED", RESERVED | {first})
    second = derive_uid(b"secret", "ann", "key")
    assert first != second
    assert is_uid(second)


@whatever(parts)
def test_a_derived_uid_is_one_and_the_same_each_time(words: list[str]) -> None:
    assert is_uid(derive_uid(b"secret", *words))
    assert derive_uid(b"secret", *words) == derive_uid(b"secret", *words)


@whatever(parts, parts)
def test_other_parts_make_another_uid_also_when_their_joined_text_is_the_same(one: list[str], other: list[str]) -> None:
    assert (one == other) == (derive_uid(b"secret", *one) == derive_uid(b"secret", *other))
    assert derive_uid(b"secret", "ab", "c") != derive_uid(b"secret", "a", "bc")


def test_another_secret_makes_another_uid() -> None:
    assert derive_uid(b"secret", "ann", "key") != derive_uid(b"other", "ann", "key")


def test_a_derived_uid_is_pinned_for_keys_outlive_releases() -> None:
    assert derive_uid(b"secret", "ann", "key") == "DTawy05fJVw"


@pytest.mark.parametrize(
    ("stream", "of_8", "of_64"),
    [("ZjHHSjyyeJ2", 2, 50), ("GDBqVfkmnp2", 7, 39), ("attachments", 1, 49)],
)
def test_partitions_are_pinned_for_streams_would_be_lost_otherwise(stream: str, of_8: int, of_64: int) -> None:
    assert (0, of_8, of_64) == tuple(partition_of(stream, partitions) for partitions in (1, 8, 64))


@whatever(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1_000))
def test_a_partition_is_the_first_four_bytes_of_sha_256_modulo_their_number(stream: str, partitions: int) -> None:
    first = hashlib.sha256(stream.encode()).hexdigest()[:8]
    assert int(first, 16) % partitions == partition_of(stream, partitions)

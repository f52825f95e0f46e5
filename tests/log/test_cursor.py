"""A cursor holds a position per partition, and tells a stranger from its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstore.errors import CursorInvalid
from convstore.log import cursor
from convstore.log.store import Store

positions_ = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=64)


@given(positions_)
def test_what_was_encoded_is_decoded(positions: list[int]) -> None:
    assert tuple(positions) == cursor.decode(cursor.encode(positions, "ours"), len(positions), "ours")


@given(positions_)
def test_it_can_stand_in_a_url_and_is_no_flag_of_a_command(positions: list[int]) -> None:
    assert set(cursor.encode(positions, "ours")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
    )


@given(positions_, st.binary(min_size=cursor.MARK, max_size=cursor.MARK))
def test_a_mark_comes_back_and_whoever_does_not_ask_for_it_gets_the_same_place(
    positions: list[int], mark: bytes
) -> None:
    text = cursor.encode(positions, "ours", mark)
    assert (tuple(positions), mark) == cursor.decode_marked(text, len(positions), "ours")
    assert tuple(positions) == cursor.decode(text, len(positions), "ours")
    assert (tuple(positions), b"") == cursor.decode_marked(cursor.encode(positions, "ours"), len(positions), "ours")


def test_a_cursor_of_another_store_is_invalid() -> None:
    with pytest.raises(CursorInvalid):
        cursor.decode(cursor.encode([1, 2], "theirs"), 2, "ours")


def test_a_cursor_of_another_number_of_partitions_is_invalid() -> None:
    with pytest.raises(CursorInvalid):
        cursor.decode(cursor.encode([1, 2], "ours"), 3, "ours")


@given(st.text())
def test_any_other_text_is_invalid(text: str) -> None:
    with pytest.raises(CursorInvalid):
        cursor.decode(text, 1, "ours")


@given(st.integers(0, 2**40), st.data())
def test_one_changed_letter_makes_it_invalid(position: int, data: st.DataObject) -> None:
    good = cursor.encode([position], "ours")
    place = data.draw(st.integers(0, len(good) - 1))
    letter = data.draw(st.sampled_from("Aa0-_Zz9"))
    bad = good[:place] + letter + good[place + 1 :]
    if bad != good:
        with pytest.raises(CursorInvalid):
            cursor.decode(bad, 1, "ours")


async def test_a_store_knows_its_own(store: Store) -> None:
    assert (7,) == store.positions(store.cursor([7]))

"""How fields, filters, order and paging are read: contract section 5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convstore.errors import BadQuery
from convstore.http.query import patterns
from convstore.http.query.fields import Field, Mark, Transform, parse_fields
from convstore.http.query.filters import parse_filters, parse_list, parse_operator
from convstore.http.query.operators import parse_date
from convstore.http.query.paging import Order, Paging, parse_order, parse_paging
from convstore.http.query.parameters import parameters, read_query

ALL = Field("all", Mark.PRESET)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", (Field("id"),)),
        ("*", (ALL,)),
        (":owner", (Field("owner", Mark.PRESET),)),
        ("!id,-name", (Field("id", Mark.EXCLUDE), Field("name", Mark.EXCLUDE))),
        (" id ,, name, ", (Field("id"), Field("name"))),
        ("a[b,c]", (Field("a", children=(Field("b"), Field("c"))),)),
        ("a(b)", (Field("a", children=(Field("b"),)),)),
        ("a [ b ]", (Field("a", children=(Field("b"),)),)),
        ("a[]", (Field("a", children=()),)),
        ("a.b", (Field("a", children=(Field("b"),)),)),
        ("a.b[c]", (Field("a", children=(Field("b", children=(Field("c"),)),)),)),
        ("!a.b", (Field("a", children=(Field("b", Mark.EXCLUDE),)),)),
        ("a[b[c", (Field("a", children=(Field("b", children=(Field("c"),)),)),)),
        ("a~rename(x)", (Field("a", transforms=(Transform("rename", ("x",)),)),)),
        ("a::size", (Field("a", transforms=(Transform("size"),)),)),
        ("a|isEmpty||isNotEmpty@size", (
            Field("a", transforms=(Transform("isEmpty"), Transform("isNotEmpty"), Transform("size"))),
        )),
        ("a:pluck(id)~~rename(b)[c]", (
            Field("a", transforms=(Transform("pluck", ("id",)), Transform("rename", ("b",))), children=(Field("c"),)),
        )),
        ("a~keyBy(x;y)", (Field("a", transforms=(Transform("keyBy", ("x", "y")),)),)),
        ("a~size(b)(c)", (Field("a", transforms=(Transform("size", ("b",)),), children=(Field("c"),)),)),
        ("a-b_c1", (Field("a-b_c1"),)),
        ("", ()),
    ],
)  # fmt: skip
def test_fields(text: str, expected: tuple[Field, ...]) -> None:
    assert expected == parse_fields(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a]", "Expected field but found ']' at position 1 of fields"),
        ("a[b)", "Expected ']' but found ')' at position 3 of fields"),
        ("a b", "Expected ',' or closing bracket but found 'b' at position 2 of fields"),
        ("[a]", "Expected field name but found '[' at position 0 of fields"),
        ("!", "Expected field name but found the end at position 1 of fields"),
        ("a~", "Expected transformer but found '~' at position 1 of fields"),
        ("a~rename(x y)", "Expected ',' or ')' but found 'y' at position 11 of fields"),
        ("ä", "Expected field name but found 'ä' at position 0 of fields"),
        ("a[" * 17, "Expected at most 16 levels of brackets in fields"),
        ("a" + ".a" * 17, "Expected at most 16 levels of brackets in fields"),
        ("a[" * 4000, "Expected at most 16 levels of brackets in fields"),
    ],
)
def test_fields_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse_fields(text)
    assert said == str(caught.value)


@pytest.mark.parametrize("text", [",".join(["id"] * 1_001), "subject" + "~size" * 1_000])
def test_no_more_fields_are_read_than_there_could_be(text: str) -> None:
    with pytest.raises(BadQuery, match="at most 1000"):
        parse_fields(text)


@given(st.text(alphabet="ab.,:!-*[]()~|@; \tä"))
def test_whatever_fields_say_they_are_read_or_refused(text: str) -> None:
    try:
        parse_fields(text)
    except BadQuery as refused:
        assert "Expected" in str(refused)  # noqa: PT017 - one of two outcomes


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=10), st.integers(0, 100))
def test_pieces_of_fields_may_be_spread_over_several_parameters(names: list[str], cut: int) -> None:
    nested = "[".join(names) + "]" * (len(names) - 1)
    whole = f"id,{nested},x"
    pieces = whole.split(",")
    at = cut % (len(pieces) + 1)
    spread = [",".join(pieces[:at]), ",".join(pieces[at:])]
    assert read_query({"fields": [whole]}).fields == read_query({"fields": spread}).fields


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["subject:eq:Hey"], [(("subject",), "eq", "Hey")]),
        (["a.b.c:like:x:y"], [(("a", "b", "c"), "like", "x:y")]),
        (["a:eq:"], [(("a",), "eq", "")]),
        (["a:null", "b:!empty:ignored"], [(("a",), "null", ""), (("b",), "!empty", "")]),
        (["a:STARTSWITH:x", "b:!$iLike:x"], [(("a",), "STARTSWITH", "x"), (("b",), "!$iLike", "x")]),
        (["a:eq:1,b:ge:2"], [(("a",), "eq", "1"), (("b",), "ge", "2")]),
        (["a:eq:one, two, three"], [(("a",), "eq", "one, two, three")]),
        (["a:eq:one,b:null"], [(("a",), "eq", "one"), (("b",), "null", "")]),
        (["a:in:[x,b:eq:y],c:eq:z"], [(("a",), "in", "[x,b:eq:y]"), (("c",), "eq", "z")]),
        (["a:eq:at 10:30, b: eq:c"], [(("a",), "eq", "at 10:30, b: eq:c")]),
        (["", " "], []),
    ],
)
def test_filters(values: list[str], expected: list[tuple[tuple[str, ...], str, str]]) -> None:
    found = parse_filters(values)
    assert expected == [(asked.path, asked.operator.name, asked.value) for asked in found]


@pytest.mark.parametrize("text", ["a", "a:", "a:eq", ":eq:x", "a b:eq:x", "a..b:eq:x", "1a:eq:x", "a;b:eq:x"])
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(BadQuery, match=r"Invalid filter => "):
        parse_filters([text])


def test_operators_that_there_are_not() -> None:
    assert None is parse_operator("!gt")
    with pytest.raises(BadQuery, match=r"^`wie` is not a valid operator\.$"):
        parse_filters(["a:wie:x"])


@pytest.mark.parametrize("value", ["", "a", "[", "]", "[]", "[ , ]", "a,b"])
def test_lists_that_are_none(value: str) -> None:
    with pytest.raises(BadQuery, match=r"^Invalid argument `.*` for in operator\.$"):
        parse_list(value, "in")


def test_lists() -> None:
    assert ("a", "b c") == parse_list("[a, b c ,]", "in")


def test_order() -> None:
    assert (
        Order(("a",)),
        Order(("b", "c"), descending=True),
        Order(("d",), ignore_case=True),
        Order(("e",), descending=True, ignore_case=True),
        Order(("f",)),
    ) == parse_order(["a, b.c:desc", "d:iasc,e:IDESC,a:desc", "f:upwards", ""])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), Paging()),
        (("", "", ""), Paging()),
        (("False", "3", "35"), Paging(enabled=False, page=3, size=35)),
        (("true", "-5", "0"), Paging(page=1, size=1)),
        ((None, "2147483647", "2147483647"), Paging(page=2_147_483_647, size=1000)),
        ((None, "+007", None), Paging(page=7)),
    ],
)
def test_paging(given: tuple[str | None, str | None, str | None], expected: Paging) -> None:
    assert expected == parse_paging(*given)


@pytest.mark.parametrize("value", ["abc", "1.5", "1e3", "٣", "2147483648", "9" * 5000, "-+5", " 5", "1_000"])
def test_numbers_that_are_none(value: str) -> None:
    with pytest.raises(BadQuery, match=r"is not valid for parameter page\. It should be of type int$"):
        parse_paging(None, value, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2014", "2014-01-01T00:00:00+00:00"),
        ("2014-03", "2014-03-01T00:00:00+00:00"),
        ("2014-03-02", "2014-03-02T00:00:00+00:00"),
        ("2014-03-02T10:11", "2014-03-02T10:11:00+00:00"),
        ("2014-03-02T10:11:12.345", "2014-03-02T10:11:12.345000+00:00"),
        ("2014-03-02T10:11:12.345Z", "2014-03-02T10:11:12.345000+00:00"),
        ("2014-03-02T10:11:12.345+0200", "2014-03-02T08:11:12.345000+00:00"),
        ("2014-03-02T10:11:12 02:00", "2014-03-02T08:11:12+00:00"),
    ],
)
def test_dates(text: str, expected: str) -> None:
    assert expected == parse_date(text).isoformat()


@pytest.mark.parametrize(
    "text", ["", "now", "2014-13", "0000", "2014-02-30", "9999-12-31T23:59:59.9999", "0001-01-01T00:00+14:00"]
)
def test_dates_that_are_none(text: str) -> None:
    with pytest.raises(BadQuery, match=r"^Unable to parse `.*` as `Date`\.$"):
        parse_date(text)


def test_a_search_is_by_token_unless_another_operator_is_named() -> None:
    query = read_query({"queryString": ["hello"]})
    assert query.search is not None
    assert "token" == query.search.operator.name
    assert None is read_query({"queryString": [" "], "queryOperator": ["like"]}).search


def test_parameters_are_gathered_by_name() -> None:
    assert {"a": ["1", "2"], "b": [""]} == parameters([("a", "1"), ("b", ""), ("a", "2")])


def test_tokens_are_words_with_their_marks() -> None:
    assert ["aujourd", "hui", "été", "ሰላም", "हिन्दी", "数据", "a1"] == patterns.tokens(
        "aujourd'hui, été—ሰላም (हिन्दी) 数据! a1"
    )


@given(st.text(), st.text())
def test_a_pattern_matches_its_own_text_in_any_case_and_nothing_that_is_different(one: str, other: str) -> None:
    # Python's expressions read these patterns as PostgreSQL does, but for what surrounds them.
    import re

    pattern = re.compile(patterns.ignoring_case(one))
    assert pattern.fullmatch(one)
    if one.casefold() != other.casefold() and one.lower() != other.lower() and one.upper() != other.upper():
        assert not pattern.fullmatch(other)

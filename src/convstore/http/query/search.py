"""The one place that says which conversations ``queryString`` finds: contract section 5.3."""

from convstore import words
from convstore.http.query.compile import Conditions
from convstore.http.query.filters import Filter, Test
from convstore.projections import load

# Whatever the reader may see of these: the table of properties that stands behind leaves internal messages out for
# those who do not see them.
SEARCHED = (("subject",), ("messages", "text"), ("messages", "sender", "displayName"))

_search = load("search").queries
_timeline = load("timeline").queries


def search_condition(conditions: Conditions, asked: Filter, *, with_internal: bool, past: bool = False) -> str:
    """Give the condition that subject, any message's text or any sender's name passes the operator.

    ``past``: the rows are those of the timeline, and only texts that were there by then count; names are today's. The
    usual operator, the beginnings of words, is answered by the index of words; a text without any words in it asks
    for nothing. The others look at the texts themselves.
    """
    if asked.operator.test is not Test.TOKENS or asked.operator.negated:
        return conditions.any_of(SEARCHED, asked)
    prefixes = words.query_prefixes(asked.value)
    if not prefixes:
        return "true"
    texts = _timeline if past else _search
    found = texts.found_all if with_internal else texts.found
    return conditions.written(found, words.tsquery(prefixes), "tsquery")

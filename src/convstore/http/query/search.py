"""The one place that says which conversations ``queryString`` finds: contract section 5.3."""

from convstore.http.query.compile import Conditions
from convstore.http.query.filters import Filter

# Whatever the reader may see of these: the table of properties that stands behind leaves internal messages out for
# those who do not see them.
SEARCHED = (("subject",), ("messages", "text"), ("messages", "sender", "displayName"))


def search_condition(conditions: Conditions, asked: Filter) -> str:
    """Give the condition that subject, any message's text or any sender's name passes the operator."""
    return conditions.any_of(SEARCHED, asked)

"""Times as DHIS2 writes them (contract section 2.5.7)."""

from datetime import UTC, datetime


def stamp(at: datetime) -> str:
    """Write a time in UTC, without zone, with three decimals: ``2014-02-03T10:11:12.345``.

    All times of the API are in this one clock, ``serverDate`` too: clients reckon the difference to their own.
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}"

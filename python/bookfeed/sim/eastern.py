"""The time in New York, by which venues name their windows."""

from datetime import UTC, datetime, timedelta


def eastern(ms: int) -> datetime:
    """The time in New York, where tickers are dated; daylight saving by the rule of 2007."""
    utc = datetime.fromtimestamp(ms // 1000, UTC).replace(tzinfo=None)
    march, november = datetime(utc.year, 3, 1, 7), datetime(utc.year, 11, 1, 6)
    starts = march + timedelta(days=(6 - march.weekday()) % 7 + 7)
    ends = november + timedelta(days=(6 - november.weekday()) % 7)
    return utc - timedelta(hours=4 if starts <= utc < ends else 5)

"""Replies of venues reach the connection they concern, whoever listens first."""

from bookfeed import Engine

SUBSCRIBED = b'{"id":1,"type":"subscribed","msg":{"channel":"orderbook_delta","sid":%d}}'


def test_a_reply_waits_for_its_own_connection() -> None:
    engine = Engine()
    for conn in (0, 1):
        engine.connected(conn, "kalshi", 1)
    engine.ingest(1, SUBSCRIBED % 7, 2)
    assert engine.notices(0) == []
    engine.ingest(0, SUBSCRIBED % 5, 3)
    engine.ingest(1, SUBSCRIBED % 8, 4)
    assert [notice.sid for notice in engine.notices(1)] == [7, 8]
    assert [notice.sid for notice in engine.notices(0)] == [5]
    assert engine.notices(0) == engine.notices(1) == []

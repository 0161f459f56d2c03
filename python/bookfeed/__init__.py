"""Order books for prediction markets that say whether they may be believed.

``Engine`` turns venue frames into books, updates and signals; ``Feed`` runs it on live
connections; ``BookView`` is one book. Everything is imported when first used, so that
``import bookfeed`` is quick and the command line starts at once.

Example::

    import bookfeed

    engine = bookfeed.Engine(auto_subscribe=True)
    engine.connected(0, "polymarket", ts_recv)
    engine.ingest(0, frame, ts_recv)
    for book in engine.books():
        print(book.symbol, book.state, book.bid, book.ask)
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np

    from bookfeed._bookfeed import (
        ABSENT,
        CAUSES,
        CLOSE_REASONS,
        FRESHNESS,
        INDEX_STANDINGS,
        PRICE_SCALE,
        QTY_SCALE,
        REFUSALS,
        RULES,
        SIGNAL_PHASES,
        STATES,
        UPDATE_KINDS,
        Answers,
        Batch,
        BookView,
        BoundaryMeasure,
        ConsolidatedFill,
        ConsolidatedLevel,
        Consolidation,
        Depth,
        Engine,
        FairValue,
        Fill,
        Histogram,
        LeadLag,
        SettlementWindow,
        SpotBook,
        SpotIndex,
        SpotIndexValue,
        TradeWindow,
        Untrusted,
        VenueCrossing,
        VenueLead,
        Volatility,
        WindowStanding,
        __version__,
        fair_value,
        format_price,
        format_qty,
        parse_price,
        parse_qty,
        payoff_probability,
    )
    from bookfeed.catalogue.catalogue import Catalogue
    from bookfeed.catalogue.news import MarketNews
    from bookfeed.catalogue.series import Series
    from bookfeed.config import Config
    from bookfeed.dispatch.listeners import Listener
    from bookfeed.dispatch.streams import Lagged, Stream
    from bookfeed.errors import (
        BookfeedError,
        CaptureError,
        CatalogueError,
        ConfigError,
        DecimalError,
        EngineError,
        JournalError,
        RecordingError,
        SessionError,
        SimulatorError,
    )
    from bookfeed.feed.consolidated import Consolidated
    from bookfeed.feed.feed import Feed
    from bookfeed.feed.replay import Replay, replay
    from bookfeed.feed.rolling import Rolling
    from bookfeed.feed.windows import WindowEnd
    from bookfeed.live.options import SessionOptions
    from bookfeed.live.recovery.plan import ResyncPolicy
    from bookfeed.market import Fee, Market, Outcome
    from bookfeed.names import Name, Names
    from bookfeed.own.endpoint import OwnEndpoint, own_endpoint
    from bookfeed.own.events import (
        FillKey,
        OwnClaim,
        OwnEvent,
        OwnFill,
        OwnGroup,
        OwnOrder,
        OwnPosition,
        OwnStatus,
    )
    from bookfeed.own.view import Account, Exposure, Holding
    from bookfeed.recordings.reader import Journal
    from bookfeed.recordings.writer import JournalWriter
    from bookfeed.records import Leg, Signal, Update
    from bookfeed.records.arrays import columns
    from bookfeed.records.indices import IndexTick
    from bookfeed.records.levels import LevelChange, LevelChanges
    from bookfeed.records.points import PricePoint
    from bookfeed.records.told import (
        ActivityTrade,
        Comment,
        QuoteRequest,
        Reaction,
        RelayEvent,
        RequestedQuote,
        TokenTouch,
    )
    from bookfeed.relays.status import TopicStatus
    from bookfeed.rules.estimate import IndexEstimate
    from bookfeed.rules.pairs import (
        Basket,
        BasketLeg,
        Ladder,
        LadderLeg,
        Pair,
        PairLeg,
        SeriesPair,
    )
    from bookfeed.rules.rule import Rule
    from bookfeed.rules.terms import SettlementTerms
    from bookfeed.rules.why import Why
    from bookfeed.sinks import Sink, SinkOptions, SinkStatus
    from bookfeed.status import BookStatus, ConnectionStatus, FeedStatus
    from bookfeed.tables.recording import Recording, open_recording
    from bookfeed.tables.rows import Rows
    from bookfeed.venues import Endpoint, FeeSchedule, KalshiFee, UserFee, Venue
    from bookfeed.venues.binance import binance
    from bookfeed.venues.bitstamp import bitstamp
    from bookfeed.venues.coinbase import coinbase
    from bookfeed.venues.cryptocom import cryptocom
    from bookfeed.venues.gemini import gemini
    from bookfeed.venues.kalshi import Credentials, credentials, kalshi
    from bookfeed.venues.kraken import kraken
    from bookfeed.venues.polymarket import polymarket
    from bookfeed.venues.relay import Topic
    from bookfeed.words import (
        Cause,
        CloseReason,
        Freshness,
        IndexStanding,
        RefusalReason,
        RuleKind,
        SignalPhase,
        State,
        UpdateKind,
    )

    UPDATE_DTYPE: np.dtype[np.void]
    SIGNAL_DTYPE: np.dtype[np.void]
    LEG_DTYPE: np.dtype[np.void]
    LEVEL_DTYPE: np.dtype[np.void]
    INDEX_DTYPE: np.dtype[np.void]

__all__ = [
    "ABSENT",
    "CAUSES",
    "CLOSE_REASONS",
    "FRESHNESS",
    "INDEX_DTYPE",
    "INDEX_STANDINGS",
    "LEG_DTYPE",
    "LEVEL_DTYPE",
    "PRICE_SCALE",
    "QTY_SCALE",
    "REFUSALS",
    "RULES",
    "SIGNAL_DTYPE",
    "SIGNAL_PHASES",
    "STATES",
    "UPDATE_DTYPE",
    "UPDATE_KINDS",
    "Account",
    "ActivityTrade",
    "Answers",
    "Basket",
    "BasketLeg",
    "Batch",
    "BookStatus",
    "BookView",
    "BookfeedError",
    "BoundaryMeasure",
    "CaptureError",
    "Catalogue",
    "CatalogueError",
    "Cause",
    "CloseReason",
    "Comment",
    "Config",
    "ConfigError",
    "ConnectionStatus",
    "Consolidated",
    "ConsolidatedFill",
    "ConsolidatedLevel",
    "Consolidation",
    "Credentials",
    "DecimalError",
    "Depth",
    "Endpoint",
    "Engine",
    "EngineError",
    "Exposure",
    "FairValue",
    "Fee",
    "FeeSchedule",
    "Feed",
    "FeedStatus",
    "Fill",
    "FillKey",
    "Freshness",
    "Histogram",
    "Holding",
    "IndexEstimate",
    "IndexStanding",
    "IndexTick",
    "Journal",
    "JournalError",
    "JournalWriter",
    "KalshiFee",
    "Ladder",
    "LadderLeg",
    "Lagged",
    "LeadLag",
    "Leg",
    "LevelChange",
    "LevelChanges",
    "Listener",
    "Market",
    "MarketNews",
    "Name",
    "Names",
    "Outcome",
    "OwnClaim",
    "OwnEndpoint",
    "OwnEvent",
    "OwnFill",
    "OwnGroup",
    "OwnOrder",
    "OwnPosition",
    "OwnStatus",
    "Pair",
    "PairLeg",
    "PricePoint",
    "QuoteRequest",
    "Reaction",
    "Recording",
    "RecordingError",
    "RefusalReason",
    "RelayEvent",
    "Replay",
    "RequestedQuote",
    "ResyncPolicy",
    "Rolling",
    "Rows",
    "Rule",
    "RuleKind",
    "Series",
    "SeriesPair",
    "SessionError",
    "SessionOptions",
    "SettlementTerms",
    "SettlementWindow",
    "Signal",
    "SignalPhase",
    "SimulatorError",
    "Sink",
    "SinkOptions",
    "SinkStatus",
    "SpotBook",
    "SpotIndex",
    "SpotIndexValue",
    "State",
    "Stream",
    "TokenTouch",
    "Topic",
    "TopicStatus",
    "TradeWindow",
    "Untrusted",
    "Update",
    "UpdateKind",
    "UserFee",
    "Venue",
    "VenueCrossing",
    "VenueLead",
    "Volatility",
    "Why",
    "WindowEnd",
    "WindowStanding",
    "__version__",
    "binance",
    "bitstamp",
    "coinbase",
    "columns",
    "credentials",
    "cryptocom",
    "fair_value",
    "format_price",
    "format_qty",
    "gemini",
    "kalshi",
    "kraken",
    "open_recording",
    "own_endpoint",
    "parse_price",
    "parse_qty",
    "payoff_probability",
    "polymarket",
    "replay",
]

_MODULES: Final = {
    "bookfeed.records.arrays": ("columns",),
    "bookfeed.catalogue.catalogue": ("Catalogue",),
    "bookfeed.catalogue.news": ("MarketNews",),
    "bookfeed.catalogue.series": ("Series",),
    "bookfeed.config": ("Config",),
    "bookfeed.errors": (
        "BookfeedError",
        "CaptureError",
        "CatalogueError",
        "ConfigError",
        "DecimalError",
        "EngineError",
        "JournalError",
        "RecordingError",
        "SessionError",
        "SimulatorError",
    ),
    "bookfeed.feed.consolidated": ("Consolidated",),
    "bookfeed.feed.feed": ("Feed",),
    "bookfeed.records.indices": ("IndexTick",),
    "bookfeed.records.levels": ("LevelChange", "LevelChanges"),
    "bookfeed.records.points": ("PricePoint",),
    "bookfeed.records.told": (
        "ActivityTrade",
        "Comment",
        "QuoteRequest",
        "Reaction",
        "RelayEvent",
        "RequestedQuote",
        "TokenTouch",
    ),
    "bookfeed.relays.status": ("TopicStatus",),
    "bookfeed.venues.relay": ("Topic",),
    "bookfeed.dispatch.listeners": ("Listener",),
    "bookfeed.live.options": ("SessionOptions",),
    "bookfeed.live.recovery.plan": ("ResyncPolicy",),
    "bookfeed.market": ("Fee", "Market", "Outcome"),
    "bookfeed.names": ("Name", "Names"),
    "bookfeed.own.endpoint": (
        "OwnEndpoint",
        "own_endpoint",
    ),
    "bookfeed.own.events": (
        "FillKey",
        "OwnClaim",
        "OwnEvent",
        "OwnFill",
        "OwnGroup",
        "OwnOrder",
        "OwnPosition",
        "OwnStatus",
    ),
    "bookfeed.own.view": (
        "Account",
        "Exposure",
        "Holding",
    ),
    "bookfeed.recordings.reader": ("Journal",),
    "bookfeed.recordings.writer": ("JournalWriter",),
    "bookfeed.records": ("Leg", "Signal", "Update"),
    "bookfeed.feed.replay": ("Replay", "replay"),
    "bookfeed.feed.rolling": ("Rolling",),
    "bookfeed.feed.windows": ("WindowEnd",),
    "bookfeed.rules.pairs": (
        "Basket",
        "BasketLeg",
        "Ladder",
        "LadderLeg",
        "Pair",
        "PairLeg",
        "SeriesPair",
    ),
    "bookfeed.rules.estimate": ("IndexEstimate",),
    "bookfeed.rules.rule": ("Rule",),
    "bookfeed.rules.terms": ("SettlementTerms",),
    "bookfeed.rules.why": ("Why",),
    "bookfeed.sinks": ("Sink", "SinkOptions", "SinkStatus"),
    "bookfeed.status": ("BookStatus", "ConnectionStatus", "FeedStatus"),
    "bookfeed.tables.recording": ("Recording", "open_recording"),
    "bookfeed.tables.rows": ("Rows",),
    "bookfeed.dispatch.streams": ("Lagged", "Stream"),
    "bookfeed.venues": ("Endpoint", "FeeSchedule", "KalshiFee", "UserFee", "Venue"),
    "bookfeed.venues.binance": ("binance",),
    "bookfeed.venues.bitstamp": ("bitstamp",),
    "bookfeed.venues.coinbase": ("coinbase",),
    "bookfeed.venues.cryptocom": ("cryptocom",),
    "bookfeed.venues.gemini": ("gemini",),
    "bookfeed.venues.kalshi": ("Credentials", "credentials", "kalshi"),
    "bookfeed.venues.kraken": ("kraken",),
    "bookfeed.venues.polymarket": ("polymarket",),
    "bookfeed.words": (
        "Cause",
        "CloseReason",
        "Freshness",
        "IndexStanding",
        "RefusalReason",
        "RuleKind",
        "SignalPhase",
        "State",
        "UpdateKind",
    ),
}
_MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}
_DTYPES: Final = frozenset(
    {"UPDATE_DTYPE", "SIGNAL_DTYPE", "LEG_DTYPE", "LEVEL_DTYPE", "INDEX_DTYPE"}
)


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF.get(name, "bookfeed._bookfeed")), name)
    if name in _DTYPES:
        import numpy as np

        value = np.dtype(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

"""What the reading of a venue is: the one thing the audit knows of venues.

A reading turns the frames and REST bodies of its venue into messages, and applies them to the
auditor's books. Each is one file, ``readings/<venue>.py``, with a class called ``READING``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from bookfeed.audit.books import Instrument, Side
from bookfeed.audit.numbers import ONE, QTY_STEP

if TYPE_CHECKING:
    from bookfeed.audit.model import Model

# Asks the engine for its size at a price: number of the instrument, side, price.
Peek = Callable[[int, Side, Decimal], Decimal]


class Trade(NamedTuple):
    """One trade, the side being the aggressor's (``buy``, ``sell``); ``None`` if it is not told."""

    instrument: int
    side: str | None
    price: Decimal
    qty: Decimal
    ts: int | None = None
    """When it was, as the venue tells it."""
    name: str = ""
    """Its id; empty where it has none."""


@dataclass(slots=True)
class Message:
    """One message of a frame or a REST answer, read but not yet applied."""

    kind: str
    ts_event: int | None = None
    named: list[int] = field(default_factory=list)
    """Instruments it is about."""
    everyone: bool = False
    """Whether it concerns every book of its connection."""
    levels: bool = False
    """Whether it is about levels of books, and about nothing else."""
    whole: bool = False
    """Whether it holds whole books of those it names."""
    body: Any = None
    """Whatever the reading needs to apply it."""
    claims: dict[int, tuple[Decimal | None, Decimal | None] | None] = field(default_factory=dict)
    """The venue's own best bid and ask after it; ``None`` where it did not say."""
    trades: list[Trade] | None = None
    """Trades in their order; ``None`` if the reading leaves trades alone."""


@dataclass(slots=True)
class Effects:
    """What applying a message did, as far as it must show in the engine's records."""

    broken: dict[int, str] = field(default_factory=dict)
    """Books that must leave live with it, and why."""
    repriced: set[int] = field(default_factory=set)
    """Instruments whose market status or fees changed."""
    overtaken: int = 0
    """Changes of which the engine's book told whether they were history."""

    def breaks(self, one: Instrument, why: str) -> None:
        """A book has no basis any more, and left live with it if it had one."""
        if one.based:
            self.broken[one.number] = why
        one.based = False


@dataclass(slots=True)
class Heard:
    """The newest venue time of a stream or a connection, and how late it came."""

    ts: int | None = None
    delay: int | None = None
    """Receive time less venue time of the first message that stated it."""

    def hear(self, ts_event: int | None, now: int) -> None:
        """A message came."""
        if ts_event is not None and (self.ts is None or ts_event > self.ts):
            self.ts, self.delay = ts_event, now - ts_event


class SecondTold(NamedTuple):
    """What a message of a second source says: all of a book, or new sizes of levels (0 removes)."""

    symbol: str
    """As the book is called that it is held against."""
    whole: bool
    levels: list[tuple[Side, Decimal, Decimal]]


class Proof(NamedTuple):
    """Up to which venue time a book is proved, and by which numbered stream, if by one."""

    stream: tuple[int, int] | None
    """Connection and subscription."""
    ts: int | None


class Reading:
    """One venue's protocol, from its documents alone: decimals, plain dictionaries, no engine.

    There is one for each venue of a journal; it keeps what it must remember of connections and
    books by their numbers. ``Instrument.based`` says that a book rests on a whole one and that
    nothing broke it since. What is not overridden suits a venue without numbers.
    """

    venue: ClassVar[str]
    payout: ClassVar[Decimal | None] = ONE
    """What one contract pays if its outcome happens; ``None`` if it is none, as on spot venues."""
    lower_case: ClassVar[bool] = False
    """Whether the venue writes ids of markets in lower case, whatever was subscribed."""
    qty_step: ClassVar[Decimal] = QTY_STEP
    """What sizes of orders are whole multiples of."""
    stands_by_itself: ClassVar[bool] = False
    """Whether a book says itself how long it holds: then it stands at every time until that is
    over, and its times are not held against those of other books."""
    shows: ClassVar[tuple[str, ...]] = ()
    """Causes of ``stale`` besides the usual ones that its frames show."""
    digests: ClassVar[bool] = False
    """Whether the venue states digests of its books: then one has to vouch for a book. Elsewhere
    the numbers of its messages do, or its owner's word."""
    judges: ClassVar[bool] = True
    """Whether a book may be live only while it is ``based``, and what breaks one must show."""

    def __init__(self, model: "Model") -> None:
        self.model = model

    def pauses(self, one: Instrument, now: int) -> bool:
        """Whether nothing of the venue's part that trades ``one`` is traded at ``now``."""
        del one, now
        return False

    # What the journal says besides data.

    def added(self, one: Instrument) -> None:
        """An instrument is subscribed that was never there."""

    def pass_time(self, now: int) -> None:
        """Time has passed, which may end what was unknown."""

    def renewed(self, conn: int) -> None:
        """A connection came up or was lost: whatever is numbered on it begins anew."""

    def hears(self, one: Instrument) -> bool:
        """Whether the news of a market comes on its connection."""
        del one
        return False

    def listed(self, one: Instrument, *, new_fees: bool, news_came: bool) -> None:
        """An instrument is subscribed, with ``new_fees`` or without; ``news_came`` says whether
        its news came until now.
        """

    def forget(self, one: Instrument) -> None:
        """Nothing that came for a book so far is a basis any more."""

    def resync(self, one: Instrument) -> None:
        """A whole book of ``one`` is being fetched."""

    def state_changed(self, one: Instrument) -> None:
        """The engine changed the state of a book: ``one.state`` and ``one.cause``."""

    # Data.

    def read(self, conn: int, payload: bytes) -> list[Message]:
        """The messages of a frame, in order; a frame that is not the venue's concerns everyone."""
        raise NotImplementedError

    def read_index(self, payload: bytes) -> tuple[str, int, int] | None:
        """Name, time (ns) and value (1e-18) of an index that a frame tells, if it does."""
        del payload
        return None

    def read_second(self, payload: bytes) -> SecondTold | None:
        """What a frame of the venue's second source says; ``None`` if it is about no levels, or
        cannot be read. Only venues that have one read any.
        """
        del payload
        return None

    def read_rest(
        self, body: bytes, instrument: int | None, stands_at: int | None
    ) -> list[Message]:
        """The books of a REST answer: of the instrument, at the update id, where they are said."""
        del body, instrument, stands_at
        return []

    def read_poll(self, body: bytes, instrument: int | None) -> list[Message]:
        """The whole books of an answer to a poll, of the instrument where that is said; the body of
        each is what ``take_poll`` understands: its bids and its asks, unless that is overridden.
        """
        del body, instrument
        return []

    def take_poll(self, one: Instrument, message: Message, asked: int) -> str:
        """A book of ``read_poll``, asked for at ``asked``, is the engine's from here on; what
        speaks against that, empty if nothing does.
        """
        del asked
        one.book.load(*message.body)
        connection = self.model.connections.get(one.conn)
        opened = connection is not None and connection.opened
        return "is polled while its connection is open" if opened else ""

    def apply(self, conn: int, message: Message) -> Effects:
        """What a message of the stream does to the books, and which of them it breaks."""
        raise NotImplementedError

    def apply_rest(self, message: Message) -> Effects:
        """What a REST answer does to the books."""
        del message
        return Effects()

    def denied(self, one: Instrument) -> bool:
        """Whether a REST book beside a running one differed from it: for that it may be lost."""
        del one
        return False

    # How new what is known is.

    def heard(self, one: Instrument) -> Heard:
        """Newest venue time on the book's numbered stream, or without one on its connection."""
        connection = self.model.connections.get(one.conn)
        return Heard() if connection is None else connection.heard

    def proved(self, one: Instrument) -> Proof:
        """Up to when the book is proved: by its stream, or by what is about it."""
        return Proof(None, one.ts_event)

"""What the markets of a live feed are, as somebody tells it: recorded, and handed to listeners."""

from collections.abc import Iterable, Sequence

from bookfeed.catalogue.listing import Listing, listing_of_market
from bookfeed.catalogue.news import MarketNews, news_since
from bookfeed.catalogue.stored import news_text
from bookfeed.feed.books import LiveBooks
from bookfeed.market import Market


class ToldMarkets(LiveBooks):
    """What a feed is told of its markets; a base of ``Feed``."""

    def tell(self, news: MarketNews) -> None:
        """Have news of a market recorded and handed to ``on_market``; whoever looks for some does.

        Raises ``SessionError`` if the feed is not open.
        """
        self._check_open()
        self._inputs.market(news_text(news).encode(), self._clock.now_ns())

    def know(self, listing: Listing, *, tags: Sequence[str] = ()) -> MarketNews | None:
        """Take note of how a market is listed now: what it is, what changed, how it ended.

        Returns the news of it, if there are any. Raises ``SessionError`` if the feed is not open.
        """
        before = self._listings.get((listing.venue, listing.market or listing.slug))
        news = news_since(before, listing, tags)
        if news is not None:
            self.tell(news)
        return news

    def _tell_titles(self, markets: Iterable[Market]) -> None:
        """Have a recording know what its markets are called."""
        if not self._inputs.recorded:
            return
        for market in markets:
            if market.name and (market.venue, market.market) not in self._listings:
                self.tell(MarketNews(kind="known", listing=listing_of_market(market)))

"""A web application with live books: the feed opens and closes with the application.

    pip install 'bookfeed[rest]' fastapi uvicorn
    uvicorn fastapi_app:app

As it is, it runs on a simulated venue and asks itself once. For the real venue leave ``serve`` and
``url`` out and write the market's ids yourself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.testclient import TestClient

from bookfeed import Feed, Market, Outcome
from bookfeed.sim.polymarket import SimConfig, serve


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    venue = await serve(SimConfig(markets=1))
    listed = venue.markets[0]
    market = Market(listed.condition_id, tuple(map(Outcome, listed.outcomes, listed.asset_ids)))
    async with Feed([market], url=venue.url) as feed:
        await feed.wait_live(timeout_s=10)
        app.state.feed = feed
        yield
    await venue.close()


app = FastAPI(lifespan=lifespan)


@app.get("/books")
async def symbols(request: Request) -> list[str]:
    return [book.symbol for book in request.app.state.feed.books()]


@app.get("/books/{symbol}")
async def book(symbol: str, request: Request, depth: int = 5) -> dict[str, Any]:
    try:
        found: dict[str, Any] = request.app.state.feed.book(symbol).to_dict(depth)
    except KeyError as error:
        raise HTTPException(404, f"no book {symbol!r}") from error
    return found


if __name__ == "__main__":
    with TestClient(app) as client:
        first = client.get("/books").json()[0]
        told = client.get(f"/books/{first}", params={"depth": 1}).json()
        print(told["state"], told["bids"], told["asks"])

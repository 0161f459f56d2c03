"""Bytes to book to touch under pytest-benchmark; every answer is compared before it is timed."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import binance, binance_peers, kalshi, kalshi_peers, ours
from benches.competitors import PEERS, Peers, peer
from benches.corpus import Corpus
from benches.frames import Recording
from benches.ingest import Build, at_rate, check_ours, check_peer, feed_all, parsers
from benches.pedantic import time_rounds

ROUNDS = 5


def time_peer(benchmark: BenchmarkFixture, corpus: Recording, name: str, peers: Peers) -> None:
    make = peer(name, peers)
    if isinstance(make, str):
        pytest.skip(make)
    check_peer(corpus, name, make)
    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(
        benchmark, lambda stack: feed_all(stack, corpus.frames), rounds=ROUNDS, argument=make
    )


@pytest.mark.parametrize("name", PEERS)
def test_peer(benchmark: BenchmarkFixture, corpus: Corpus, name: str) -> None:
    time_peer(benchmark, corpus, name, PEERS)


@pytest.mark.parametrize("name", kalshi_peers.PEERS)
def test_kalshi_peer(benchmark: BenchmarkFixture, kalshi_corpus: kalshi.Corpus, name: str) -> None:
    time_peer(benchmark, kalshi_corpus, name, kalshi_peers.PEERS)


@pytest.mark.parametrize("name", binance_peers.NAMES)
def test_binance_peer(
    benchmark: BenchmarkFixture, binance_corpus: binance.Corpus, name: str
) -> None:
    time_peer(benchmark, binance_corpus, name, binance_peers.peers(binance_corpus))


def time_ours(
    benchmark: BenchmarkFixture, corpus: Recording, build: Build, drain_every: int, read: bool
) -> None:
    check_ours(corpus, build, drain_every)
    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(
        benchmark,
        lambda stack: stack.run(corpus, read=read),
        rounds=ROUNDS,
        argument=lambda: ours.BookfeedStack(build(), drain_every=drain_every),
    )


@pytest.mark.parametrize("drain_every", [1, ours.DRAIN_EVERY])
@pytest.mark.parametrize("read", [False, True], ids=["drained", "touches_read"])
def test_bookfeed(
    benchmark: BenchmarkFixture, corpus: Corpus, drain_every: int, read: bool
) -> None:
    build = partial(ours.build_engine, corpus, "off")
    time_ours(benchmark, corpus, build, drain_every, read)


@pytest.mark.parametrize("drain_every", [1, ours.DRAIN_EVERY])
@pytest.mark.parametrize("read", [False, True], ids=["drained", "touches_read"])
def test_bookfeed_kalshi(
    benchmark: BenchmarkFixture, kalshi_corpus: kalshi.Corpus, drain_every: int, read: bool
) -> None:
    benchmark.extra_info |= ours.box_facts(kalshi_corpus)
    build = partial(ours.build_kalshi_engine, kalshi_corpus)
    time_ours(benchmark, kalshi_corpus, build, drain_every, read)


@pytest.mark.parametrize("drain_every", [1, ours.DRAIN_EVERY])
@pytest.mark.parametrize("read", [False, True], ids=["drained", "touches_read"])
def test_bookfeed_binance(
    benchmark: BenchmarkFixture, binance_corpus: binance.Corpus, drain_every: int, read: bool
) -> None:
    build = partial(ours.build_binance_engine, binance_corpus)
    time_ours(benchmark, binance_corpus, build, drain_every, read)


@pytest.mark.parametrize("hash_check", ["off", "sampled", "always"])
def test_bookfeed_hashes(
    benchmark: BenchmarkFixture,
    valid_corpus: Corpus,
    hash_check: Literal["off", "sampled", "always"],
) -> None:
    timed = at_rate(valid_corpus, 10_000)
    build = partial(ours.build_engine, timed, hash_check)
    benchmark.extra_info |= check_ours(timed, build, ours.DRAIN_EVERY)
    time_ours(benchmark, timed, build, ours.DRAIN_EVERY, read=False)


def time_parser(
    benchmark: BenchmarkFixture, corpus: Recording, parse: Callable[[bytes], object] | str
) -> None:
    if isinstance(parse, str):
        pytest.skip(parse)

    def work() -> None:
        for frame in corpus.frames:
            parse(frame)

    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(benchmark, work, rounds=ROUNDS)


@pytest.mark.parametrize("name", parsers())
def test_parse_only(benchmark: BenchmarkFixture, corpus: Corpus, name: str) -> None:
    time_parser(benchmark, corpus, parsers()[name])


@pytest.mark.parametrize("name", parsers())
def test_kalshi_parse_only(
    benchmark: BenchmarkFixture, kalshi_corpus: kalshi.Corpus, name: str
) -> None:
    time_parser(benchmark, kalshi_corpus, parsers(kalshi_peers.msgspec_decoder)[name])


@pytest.mark.parametrize("name", parsers())
def test_binance_parse_only(
    benchmark: BenchmarkFixture, binance_corpus: binance.Corpus, name: str
) -> None:
    time_parser(benchmark, binance_corpus, parsers(binance_peers.msgspec_decoder)[name])


def test_call_floor(benchmark: BenchmarkFixture, corpus: Corpus) -> None:
    engine = ours.build_engine(corpus, "off")
    pending = engine.pending
    ts_recv = corpus.ts_recv[0]
    assert benchmark(engine.ingest, ours.CONN, b"PONG", ts_recv) == pending

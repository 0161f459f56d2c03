"""Bytes to book to touch under pytest-benchmark; every answer is compared before it is timed."""

from typing import Literal

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import ours
from benches.competitors import PEERS, peer
from benches.corpus import Corpus
from benches.ingest import at_rate, check_ours, check_peer, feed_all, parsers
from benches.pedantic import time_rounds

ROUNDS = 5


@pytest.mark.parametrize("name", PEERS)
def test_peer(benchmark: BenchmarkFixture, corpus: Corpus, name: str) -> None:
    make = peer(name)
    if isinstance(make, str):
        pytest.skip(make)
    check_peer(corpus, name, make)
    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(
        benchmark, lambda stack: feed_all(stack, corpus.frames), rounds=ROUNDS, argument=make
    )


@pytest.mark.parametrize("drain_every", [1, ours.DRAIN_EVERY])
@pytest.mark.parametrize("read", [False, True], ids=["drained", "touches_read"])
def test_bookfeed(
    benchmark: BenchmarkFixture, corpus: Corpus, drain_every: int, read: bool
) -> None:
    check_ours(corpus, "off", drain_every)
    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(
        benchmark,
        lambda stack: stack.run(corpus, read=read),
        rounds=ROUNDS,
        argument=lambda: ours.BookfeedStack(corpus, drain_every=drain_every),
    )


@pytest.mark.parametrize("hash_check", ["off", "sampled", "always"])
def test_bookfeed_hashes(
    benchmark: BenchmarkFixture,
    valid_corpus: Corpus,
    hash_check: Literal["off", "sampled", "always"],
) -> None:
    timed = at_rate(valid_corpus, 10_000)
    benchmark.extra_info |= check_ours(timed, hash_check, ours.DRAIN_EVERY)
    benchmark.extra_info["frames"] = len(timed.frames)
    time_rounds(
        benchmark,
        lambda stack: stack.run(timed, read=False),
        rounds=ROUNDS,
        argument=lambda: ours.BookfeedStack(timed, hash_check=hash_check),
    )


@pytest.mark.parametrize("name", parsers())
def test_parse_only(benchmark: BenchmarkFixture, corpus: Corpus, name: str) -> None:
    parse = parsers()[name]
    if isinstance(parse, str):
        pytest.skip(parse)

    def work() -> None:
        for frame in corpus.frames:
            parse(frame)

    benchmark.extra_info["frames"] = len(corpus.frames)
    time_rounds(benchmark, work, rounds=ROUNDS)


def test_call_floor(benchmark: BenchmarkFixture, corpus: Corpus) -> None:
    engine = ours.build_engine(corpus, "off")
    pending = engine.pending
    ts_recv = corpus.ts_recv[0]
    assert benchmark(engine.ingest, ours.CONN, b"PONG", ts_recv) == pending

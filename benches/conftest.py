"""What the pytest-benchmark files share: small corpora, and a sending process."""

from collections.abc import Iterator

import pytest

from benches import binance, kalshi
from benches.corpus import Corpus, Spec, load
from benches.loopback import FRAMES_PER_MS, Sender

FRAMES = 20_000


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """A corpus whose hashes are random."""
    return load(Spec(frames=FRAMES))


@pytest.fixture(scope="session")
def valid_corpus() -> Corpus:
    """A corpus whose hashes are the venue's."""
    return load(Spec(frames=FRAMES, hashes="valid"))


@pytest.fixture(scope="session")
def kalshi_corpus() -> kalshi.Corpus:
    """Kalshi's frames."""
    return kalshi.load(kalshi.Spec(frames=FRAMES))


@pytest.fixture(scope="session")
def binance_corpus() -> binance.Corpus:
    """Binance's frames, which are longer: fewer of them."""
    return binance.load(binance.Spec(frames=FRAMES // 10))


@pytest.fixture(scope="session")
def sent_corpus() -> Corpus:
    """The same with the times at which it is sent."""
    return load(Spec(frames=FRAMES, hashes="valid", frames_per_ms=FRAMES_PER_MS))


@pytest.fixture(scope="session")
def sender(sent_corpus: Corpus) -> Iterator[Sender]:
    """A process that sends that corpus over loopback."""
    with Sender(sent_corpus.spec) as running:
        yield running

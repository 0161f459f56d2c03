"""``bookfeed bench``: it measures only what is right, and says so."""

import json
from collections.abc import Sequence

import pytest
from lengths import TIMES

from bookfeed.cli import bench, main
from bookfeed.cli.bench import Books, Contestant, Frame, WrongBooks
from bookfeed.cli.progress import Progress
from bookfeed.errors import exit_code

# What is made once for the whole file is made in one process.
pytestmark = pytest.mark.xdist_group("cli_bench")


@pytest.fixture(scope="module")
def corpus() -> bench.Corpus:
    return bench.make_corpus(3, 400, Progress("frames"))


def test_every_contestant_comes_to_the_truth(corpus: bench.Corpus) -> None:
    assert len(corpus.truth) == 6
    assert 400 <= len(corpus.frames) < 1_500
    for contestant in bench.contestants():
        seconds, books = contestant.run(corpus.frames)
        assert seconds > 0
        assert books == corpus.truth
        assert all(bids and asks for bids, asks in books.values())


def test_a_wrong_answer_is_not_timed(corpus: bench.Corpus) -> None:
    def forgetful(frames: Sequence[Frame]) -> tuple[float, Books]:
        seconds, books = bench.contestants()[0].run(frames)
        bids, _ = next(iter(books.values()))
        bids.pop()
        return seconds, books

    with pytest.raises(WrongBooks, match="forgetful: 1 books differ") as caught:
        bench.race(corpus, [Contestant("forgetful", forgetful)], rounds=1)
    assert exit_code(caught.value) == 1


def test_rounds_take_turns(corpus: bench.Corpus) -> None:
    turns: list[str] = []

    def named(name: str) -> Contestant:
        def run(_: Sequence[Frame]) -> tuple[float, Books]:
            turns.append(name)
            return 1e-6 * len(turns) * len(corpus.frames), corpus.truth

        return Contestant(name, run)

    first, second = bench.race(corpus, [named("a"), named("b")], rounds=3)
    assert "".join(turns) == "ab" + "ababab"
    assert (first.us_min, first.us_median, first.us_max) == pytest.approx((3, 5, 7))
    assert (second.us_min, second.us_median, second.us_max) == pytest.approx((4, 6, 8))


def test_the_command(
    corpus: bench.Corpus, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def small(markets: int, count: int, _: Progress) -> bench.Corpus:
        """A tenth of what is asked for; `make test-long` has all of it."""
        asked.append((markets, count))
        return corpus

    if TIMES == 1:
        monkeypatch.setattr(bench, "make_corpus", small)
    assert main(["bench", "--quick", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = [contestant["name"] for contestant in told["contestants"]]
    assert names[0] == "bookfeed, hashes off"
    assert names[-1] == "json + dict + sorted"
    assert told["contestants"][-1]["times_faster_than_naive"] == 1.0
    assert all(c["us_per_frame"]["min"] > 0 for c in told["contestants"])
    monkeypatch.setattr(bench, "make_corpus", small)
    assert main(["bench", "--quick"]) == 0
    assert set(asked) == {(20, 5_000)}
    assert "compared before timing" in capsys.readouterr().out

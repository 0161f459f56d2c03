"""``bookfeed calibrate``: how good fair values were in a recording, beside what markets said."""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bookfeed.errors import ConfigError, ExitCode
from bookfeed.fair.beside import PERCENTILES
from bookfeed.fair.estimates import Volatilities
from bookfeed.fair.recorded import LEFTS_S, Recorded
from bookfeed.fair.scores import Forecast, Score, Tails, buckets, fitted, held_out, score
from bookfeed.monitor.output import write_json, write_line, write_pairs, write_table


def execute(args: argparse.Namespace) -> ExitCode:
    """Goes through the recording, and prints what its fair values were worth."""
    tails = _tails(args)
    recorded = Recorded(
        args.file,
        mode=args.mode,
        lefts_s=args.left or LEFTS_S,
        tails=tails,
        volatility=_volatility(args),
    )
    forecasts = recorded.run()
    result = calibration(forecasts, tails, recorded.left_out)
    result["index_beside"] = {name: asdict(one) for name, one in recorded.beside.items()}
    for problem in recorded.problems:
        print(f"bookfeed calibrate: {problem}", file=sys.stderr)
    if args.output == "json":
        write_json(result)
    elif args.output == "ndjson":
        for forecast in forecasts:
            write_line({"type": "forecast", **_forecast(forecast)})
        write_line({"type": "summary", **result})
    else:
        _show(result)
    return ExitCode.DATA if recorded.problems else ExitCode.OK


def calibration(
    forecasts: Sequence[Forecast], tails: Tails, left_out: Mapping[str, int]
) -> dict[str, Any]:
    """What forecasts came to, as an object: all scores, buckets, and what other tails would do."""
    told = [(one.said, one.yes) for one in forecasts]
    with_mid = [one for one in forecasts if one.mid is not None]
    counts = Counter(one.left_s for one in forecasts)
    student, normal = (fitted(forecasts, student=each) for each in (True, False))
    return {
        "markets": len({one.market for one in forecasts}),
        "left_out": dict(left_out),
        "tails": tails._asdict(),
        "fair_value": _score(score(told)),
        "market_mid": _score(score([(one.mid or 0.0, one.yes) for one in with_mid])),
        "fair_value_where_mid": _score(score([(one.said, one.yes) for one in with_mid])),
        "by_seconds_left": [
            {"left_s": left_s} | _both([one for one in forecasts if one.left_s == left_s])
            for left_s in sorted(counts, reverse=True)
        ],
        "reliability": [asdict(bucket) for bucket in buckets(told)],
        "fitted": [
            {
                "kind": kind,
                "tails": None if fit is None else fit._asdict(),
                "held_out": _score(held_out(forecasts, student=kind == "student")),
            }
            for kind, fit in (("student", student), ("multiplier", normal))
        ],
    }


def _volatility(args: argparse.Namespace) -> Volatilities | None:
    """As it is asked for; ``None`` where nothing is said, and the recording decides."""
    given = {"half_life_s": args.half_life, "step_s": args.step}
    said = {name: value for name, value in given.items() if value is not None}
    return Volatilities(**said) if said else None


def _tails(args: argparse.Namespace) -> Tails:
    if args.freedom in (1, 2):
        raise ConfigError(
            "--freedom", str(args.freedom), "it must be 3 to 100, or 0 for normal moves"
        )
    return Tails(args.freedom or None, args.scale)


def _both(forecasts: Sequence[Forecast]) -> dict[str, Any]:
    mids = [(one.mid, one.yes) for one in forecasts if one.mid is not None]
    return {
        "fair_value": _score(score([(one.said, one.yes) for one in forecasts])),
        "market_mid": _score(score(mids)),
    }


def _score(one: Score | None) -> dict[str, Any] | None:
    return None if one is None else asdict(one)


def _forecast(one: Forecast) -> dict[str, Any]:
    return {
        "market": one.market,
        "left_s": one.left_s,
        "fair_value": one.said,
        "mid": one.mid,
        "expected": one.expected_e18 / 1e18,
        "sd": one.sd,
        "yes": one.yes,
    }


def _show(result: Mapping[str, Any]) -> None:
    left_out = ", ".join(f"{count} because {why}" for why, count in result["left_out"].items())
    pairs = [("markets", result["markets"]), ("left out", left_out or "none")]
    write_pairs([*pairs, ("tails", Tails(**result["tails"]))])
    for name, beside in result["index_beside"].items():
        _show_beside(name, beside)
    if result["fair_value"] is None:
        print("nothing to score: docs/index.md says what a recording has to hold")
        return
    print("\nsmaller is better; one half always gets a Brier score of 0.25, a log loss of 0.693")
    rows = [("all", result["fair_value"], result["market_mid"])]
    rows += [
        (f"{one['left_s']} s left", one["fair_value"], one["market_mid"])
        for one in result["by_seconds_left"]
    ]
    header = ("", "n", "Brier", "log loss", "mids", "mid's Brier", "mid's log loss")
    write_table(header, [(name, *_cells(ours), *_cells(mid)) for name, ours, mid in rows])
    print("\nreliability: what was said, and how often it came true")
    write_table(
        ("said", "n", "mean", "came true", "noise"),
        [
            (f"{one['low']:.1f} to {one['high']:.1f}", one["count"], one["said"],
             one["came_true"], one["noise"])
            for one in result["reliability"]
        ],
    )  # fmt: skip
    print("\ntails that would have done best, scored on markets that they were not fitted to")
    write_table(
        ("tails", "n", "Brier", "log loss"),
        [
            ("too few forecasts" if one["tails"] is None else str(Tails(**one["tails"])),
             *_cells(one["held_out"]))
            for one in result["fitted"]
        ],
    )  # fmt: skip


def _show_beside(name: str, beside: Mapping[str, Any]) -> None:
    print(f"\nthe estimated index less {name} as it was passed on, dollars")
    kinds = {"value": beside["values"], "mean of 60 s": beside["means"]}
    rows = [
        (kind, one["count"], one["mean"], *one["percentiles"].values(), one["largest"])
        for kind, one in kinds.items()
        if one is not None
    ]
    write_table(("", "n", "mean", *(f"p{at}" for at in PERCENTILES), "largest"), rows)
    parts = (f"{venue} {part:.0%}" for venue, part in beside["explained"].items())
    print(f"explained by where venues stand: {', '.join(parts) or 'too few values'}")
    if beside["missing_s"]:
        print(f"not passed on: values of {beside['missing_s']} s")


def _cells(one: Mapping[str, Any] | None) -> tuple[object, ...]:
    return (None, None, None) if one is None else (one["count"], one["brier"], one["log_loss"])

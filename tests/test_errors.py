"""The error tree has one root, and every error tells a shell what it was about."""

import pytest

import bookfeed
from bookfeed import errors
from bookfeed.errors import ConfigError, ExitCode, exit_code

NAMES = [name for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("name", NAMES)
def test_every_error_is_a_bookfeed_error_and_public(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, bookfeed.BookfeedError)
    assert getattr(bookfeed, name) is kind
    assert kind.__doc__


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("file", "key", "wrong"), 2),
        (errors.CaptureError("a:1: bad"), 3),
        (errors.JournalError("bad"), 3),
        (errors.RecordingError("what is it"), 3),
        (errors.SessionError("no"), 1),
        (errors.SimulatorError("no"), 1),
        (OSError("disk"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code(error) == code
    assert isinstance(exit_code(error), ExitCode)


def test_a_configuration_error_says_where() -> None:
    assert str(ConfigError("a.toml", "engine.x", "is wrong")) == "a.toml: engine.x: is wrong"
    assert str(ConfigError("a.toml", "", "is wrong")) == "a.toml: is wrong"
    assert str(ConfigError("", "x", "is wrong")) == "x: is wrong"


def test_the_public_names_are_all_there() -> None:
    assert dir(bookfeed) == sorted(bookfeed.__all__)
    for name in bookfeed.__all__:
        assert getattr(bookfeed, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Engin'"):
        getattr(bookfeed, "Engin")  # noqa: B009 (mypy knows that it is not there)


def test_the_record_layouts_are_numpy_dtypes() -> None:
    assert bookfeed.UPDATE_DTYPE.itemsize == 96
    assert bookfeed.SIGNAL_DTYPE.itemsize == 144
    assert bookfeed.LEG_DTYPE.itemsize == 64

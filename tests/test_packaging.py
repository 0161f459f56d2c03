"""What a stranger installs: the wheel's content, and the package in an empty environment.

The wheel is built from this tree as ``pip install .`` builds it, then installed and used away from
the repository. Cargo's target directory is shared with the development build, so that only what
changed is compiled.
"""

import hashlib
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from test_cli_run import DEMO, POLYMARKET_BOOKS, Told, believed, running

import bookfeed

# What is made once for the whole file is made in one process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packaging")]

ROOT = Path(__file__).parents[1]
WHEEL_CONTENT = ROOT / "scripts" / "wheel_content.py"


def bare() -> dict[str, str]:
    """This process' environment without this project."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BOOKFEED"))}


def command(*arguments: str | Path, cwd: Path, timeout_s: float = 60) -> str:
    """Standard output of a command that must succeed, in an environment without this project."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=bare(),
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``pip install .`` builds, build isolation and all."""
    directory = tmp_path_factory.mktemp("dist")
    build = ("-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")
    command(sys.executable, *build, "--wheel-dir", directory, ROOT, cwd=directory, timeout_s=600)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory outside the repository."""
    return tmp_path_factory.mktemp("away")


@pytest.fixture(scope="module")
def python(wheel: Path, away: Path) -> Path:
    """The interpreter of an environment into which nothing but the wheel was installed."""
    venv.create(away / "venv")
    interpreter = away / "venv" / "bin" / "python"
    # Installed from here, and compiled as it is imported: most of what it rests on never is.
    pip = (sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check")
    command(*pip, "install", "--quiet", "--no-compile", wheel, cwd=away, timeout_s=300)
    return interpreter


def test_wheel_contains_what_is_allowed_and_nothing_else(wheel: Path) -> None:
    command(sys.executable, WHEEL_CONTENT, wheel, cwd=ROOT)


@pytest.mark.parametrize("stray", ["tests/test_x.py", "bookfeed/notes.txt", "bookfeed/a.pyc"])
def test_a_stray_file_in_a_wheel_is_refused(wheel: Path, tmp_path: Path, stray: str) -> None:
    copy = tmp_path / wheel.name
    copy.write_bytes(wheel.read_bytes())
    with ZipFile(copy, "a") as archive:
        archive.writestr(stray, "")
    done = subprocess.run(
        [sys.executable, WHEEL_CONTENT, copy], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert f"{stray} is not on the allow-list" in done.stderr


def test_wheel_has_every_module_of_the_tree(wheel: Path) -> None:
    source = ROOT / "python"
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
        for name in modules & packed:
            ours = hashlib.sha256((source / name).read_bytes()).digest()
            assert hashlib.sha256(archive.read(name)).digest() == ours, name
    assert packed == modules


def test_version_is_the_same_everywhere(python: Path, away: Path) -> None:
    printed = command(python.parent / "bookfeed", "--version", cwd=away)
    metadata = "import importlib.metadata as m; print(m.version('bookfeed'))"
    assert printed == f"bookfeed {bookfeed.__version__}\n"
    assert command(python, "-c", metadata, cwd=away).strip() == bookfeed.__version__


def test_import_without_extras(python: Path, away: Path) -> None:
    program = (
        "import bookfeed, pathlib\n"
        "for name in bookfeed.__all__: getattr(bookfeed, name)\n"
        "print(pathlib.Path(bookfeed.__file__).resolve())"
    )
    imported = Path(command(python, "-c", program, cwd=away).strip())
    assert imported.is_relative_to(away.resolve())


def test_demo_runs_away_from_the_repository(python: Path, away: Path) -> None:
    told = Told()
    program = [str(python.parent / "bookfeed")]
    with running("run", *DEMO, "-o", "ndjson", program=program, cwd=away, env=bare()) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.take(line)
            # Without extras it is Polymarket alone.
            if len(told.live) == POLYMARKET_BOOKS:
                break
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            told.take(line)
        assert process.wait() == 0
    assert believed(told.lines[-1]) == POLYMARKET_BOOKS

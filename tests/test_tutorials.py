"""The tutorials are followed word by word from an empty folder, and print what they show."""

from pathlib import Path
from typing import Final

import pytest
from pages import Reader, agrees, blocks

ROOT: Final = Path(__file__).parents[1]
TUTORIALS: Final = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


def test_there_is_one_for_each_kind_of_reader() -> None:
    assert {page.stem for page in TUTORIALS} == {"bot", "researcher", "trader"}


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_reader_gets_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    folder, errors = tmp_path / "empty", tmp_path / "errors"
    folder.mkdir()
    errors.mkdir()
    shown = sum(block.language == "text" for block in blocks(page))
    assert shown >= 3
    assert Reader(folder, errors).follow(page) == shown


# The reader notices what a reader would.

PAGE: Final = """
```python
# hello.py
print("hello")
```

Then:

```sh
name=you
python hello.py
```

```text
hel…
```

```python
number = 6 * 7
```

```python
print(number)
print("and more")
```

```text
42
…
```

```sh
echo $name
```

```text
you
```
"""


def followed(text: str, tmp_path: Path) -> int:
    page = tmp_path / "page.md"
    page.write_text(text)
    return Reader(tmp_path, tmp_path, step_timeout_s=20).follow(page)


def test_files_commands_and_cells_are_followed_in_order(tmp_path: Path) -> None:
    assert followed(PAGE, tmp_path) == 3


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("hel…", "help", "page.md:14: printed is\nhello"),
        ("python hello.py", "python help.py", "page.md:9: .*can't open file"),
        ("print(number)", "print(nothing)", "page.md:22: .*NameError"),
        ("42", "43", "page.md:27: printed is\n42"),
        ("echo $name", "false", "page.md:32: "),
        ("echo $name", "echo $nobody", "page.md:32: .*nobody: unbound"),
        ("```sh\necho $name\n```", "", "page.md:34: there is nothing"),
    ],
)
def test_what_is_not_as_the_page_says_is_noticed(
    tmp_path: Path, was: str, becomes: str, told: str
) -> None:
    with pytest.raises(AssertionError, match=rf"(?s){told}"):
        followed(PAGE.replace(was, becomes), tmp_path)


def test_a_step_that_never_ends_is_ended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nsleep 60\n```\n")
    with pytest.raises(AssertionError, match=r"page.md:1"):
        Reader(tmp_path, tmp_path, step_timeout_s=0.2).follow(page)


def test_what_was_left_running_is_ended(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nsleep 60 &\necho $! > pid\n```\n")
    Reader(tmp_path, tmp_path).follow(page)
    status = Path("/proc") / (tmp_path / "pid").read_text().strip() / "status"
    assert not status.exists() or "zombie" in status.read_text()


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a", True),
        ("a", "b\n", False),
        ("a … c\n", "a b c\n", True),
        ("a … c\n", "a b\nc\n", False),
        ("a\n…\nc\n", "a\nb\nb\nc\n", True),
        ("a\n…\nc\n", "a\nc\n", True),
        ("a\n…\n", "b\n", False),
        ("a.c\n", "abc\n", False),
    ],
)
def test_what_agrees(shown: str, printed: str, same: bool) -> None:
    assert agrees(shown, printed) is same

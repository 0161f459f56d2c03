"""The arguments of what is installed beside the command; nothing here does any work."""

from bookfeed.cli.options import WORK, Commands


def add_completion(commands: Commands) -> None:
    """``bookfeed completion``."""
    completion = commands.add(
        "completion",
        "print a script by which a shell completes commands, options and paths",
        more="bash: source it in ~/.bashrc. zsh: write it to a file _bookfeed of your fpath. fish: "
        "write it to ~/.config/fish/completions/bookfeed.fish.",
        example="completion bash > ~/.local/share/bash-completion/completions/bookfeed",
        codes=WORK,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="of which shell")


def add_man(commands: Commands) -> None:
    """``bookfeed man``."""
    commands.add(
        "man",
        "print the manual page",
        more="It says what every --help says, in one place.",
        example="man > ~/.local/share/man/man1/bookfeed.1",
        codes=WORK,
    )

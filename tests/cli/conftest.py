"""What the tests of commands share: a command in a working folder."""

from typer.testing import CliRunner, Result

from i2i_cli.cli import app


def i2i(*words: str, code: int = 0, stdin: bytes | None = None) -> Result:
    """What `i2i WORDS` gave; its exit code has to be `code`."""
    result = CliRunner().invoke(app, list(words), input=stdin)
    assert result.exit_code == code, result.stderr
    return result

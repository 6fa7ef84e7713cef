"""`i2i doctor`"""

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import JsonOpt
from i2i_cli.cli.report import print_result, print_table

EXAMPLES = """Examples:

\b
  i2i doctor          check versions, devices, caches and folders
  i2i doctor --json   the same as JSON lines, for a bug report
"""


@app.command(epilog=EXAMPLES)
def doctor(as_json: JsonOpt = False) -> None:
    """Check this installation.

    Prints versions, the device, the caches, and whether the folders can be written.
    """
    # Late: it tries torch and torchvision.
    from i2i_cli.jobs.doctor import diagnose

    findings = diagnose()
    if as_json:
        for finding in findings:
            print_result({"check": finding.name, "ok": finding.ok, "found": finding.found}, "", True)
    else:
        print_table(["", "check", "found"], [["ok" if f.ok else "BAD", f.name, f.found] for f in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

"""`i2i doctor`"""

import typer

from i2i_cli.cli.app import app
from i2i_cli.cli.options import JsonOpt
from i2i_cli.cli.report import print_result, print_table

EXAMPLES = """Examples:

\b
  i2i doctor          what works here, and what to do about what does not
  i2i doctor --json   the same for a bug report
"""


@app.command(epilog=EXAMPLES)
def doctor(as_json: JsonOpt = False) -> None:
    """Check this installation.

    Versions, devices, caches and write rights.
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

"""`placet`: the command line's entry point.

Data goes to stdout, the rest to stderr; exit codes are DESIGN §10's. An error is one clear line with a remedy;
`--debug` shows the traceback too.
"""

from __future__ import annotations

import sys
import traceback

from console.cli.commands import command
from console.cli.invocations import exit_code
from estate.errors import PlacetError


def main() -> None:
    """The program's entry point."""
    try:
        command()()
    except PlacetError as error:
        _report(error, str(error))
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except Exception as error:
        _report(error, f"internal error: {type(error).__name__}: {error}; run again with --debug and report it")
        sys.exit(1)


def _report(error: Exception, message: str) -> None:
    from console.cli.rendering import note

    if "--debug" in sys.argv:
        traceback.print_exception(error)
    note(f"placet: {message}")


if __name__ == "__main__":
    main()

"""Puts the commands together, and turns what goes wrong into one line and an exit code."""

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from cyclopts.config import Toml

import convstore
from convstore import logs
from convstore.cli.connection import owner_dsn
from convstore.cli.loop import run
from convstore.config import DEFAULT_FILE, ENVIRONMENT_PREFIX, Settings, Where, check_file
from convstore.embedded import EmbeddedError
from convstore.errors import ConfigError, ConvstoreError
from convstore.faults import DATABASE_ERRORS
from convstore.migrate import migrate as bring_up

FAILED, USAGE, INTERRUPTED = 1, 2, 130

app = cyclopts.App(
    name="convstore",
    version=convstore.__version__,
    help=(
        "An event-sourced messaging backend that speaks DHIS2's message-conversations Web API.\n\n"
        "Every setting can also be given as CONVSTORE_NAME in the environment, or as a key of convstore.toml "
        "(or of the file that CONVSTORE_CONFIG names); a flag beats the environment, and that beats the file. "
        "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
    ),
)
# Named, not imported: a command brings in what it needs itself, and none pays for the others.
for _name, _place in {
    "serve": "serve:serve",
    "user": "user:app",
    "token": "token:app",
    "deliveries": "deliveries:app",
    "delivery": "deliveries:one",
    "directory": "directory:app",
    "attachments": "attachments:app",
    "log": "log:app",
    "verify": "verify:app",
    "status": "status:status",
    "projection": "projection:app",
    "subscription": "subscription:app",
    "webhook": "webhook:app",
    "history": "history:history",
    "explain": "explain:explain_",
    "replay": "replay:replay",
    "as-of": "as_of:as_of",
    "race": "race:race",
    "rebuild": "rebuild:rebuild",
}.items():
    app.command(f"convstore.cli.{_place}", name=_name)


@app.command
def migrate(*, where: Where = Where(), partitions: int = 1) -> None:  # noqa: B008 - frozen
    """Bring the database to this release's schema, creating the store if there is none.

    Parameters
    ----------
    partitions
        Partitions of the log; taken when the store is created, fixed from then on.
    """

    async def work() -> list[str]:
        async with owner_dsn(where.dsn, where.data_dir) as dsn:
            return await bring_up(dsn, partitions=partitions)

    ran = run(work())
    print("\n".join(f"applied {name}" for name in ran) or "nothing to do: the schema is this release's")  # noqa: T201


@app.command
def config(*, settings: Settings = Settings()) -> None:  # noqa: B008 - frozen
    """Print the settings in force, without secrets, as TOML."""
    for name, value in settings.shown().items():
        print(f"{name} = {json.dumps(value)}")  # noqa: T201


def main(arguments: Annotated[list[str] | None, Parameter(show=False)] = None) -> None:
    """Run the command line and exit."""
    logs.configure(level=logging.INFO)
    try:
        named = os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")
        file = Path(named) if named else DEFAULT_FILE
        check_file(file, required=named is not None)
        app.config = (Toml(file, must_exist=False, use_commands_as_keys=False, allow_unknown=True),)
        words = sys.argv[1:] if arguments is None else arguments
        if not words or {"-h", "--help"} & set(words):
            _bring_in_all(app)
        app(words)
    except ConfigError as error:
        _fail(str(error), USAGE)
    except (ConvstoreError, EmbeddedError) as error:
        _fail(str(error), FAILED)
    except DATABASE_ERRORS as error:
        _fail(_told(error), FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _bring_in_all(commands: cyclopts.App) -> None:
    """Import every command below this one: help lists what they do."""
    for name in commands:
        if not name.startswith("-"):
            _bring_in_all(commands[name])


def _told(error: Exception) -> str:
    """Say what could not be used: the database, with the place that its connection noted, or a file."""
    if not (of_database := list(getattr(error, "__notes__", ()))) and isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    # Time that is over has no words of its own.
    return f"{' '.join(['The database', *of_database])} cannot be used: {str(error) or type(error).__name__}"


def _fail(message: str, code: int) -> None:
    print(f"convstore: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)

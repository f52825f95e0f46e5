"""Run all scripts of this folder: a short form of each, or the full ones, several times, with the peers.

    python bench/all.py [--full] [--times 3] [--only reply] [--dsn OWNER]

Prints the line of each as it comes; of several runs, the one whose first figure is the median. Exit code 1 when one of
them failed.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

_HERE = Path(__file__).parent
# Of a full run at most, in seconds: one that hangs must not hold up the others.
_PATIENCE = 1_800


class Bench(Struct, frozen=True):
    """A script, the arguments of its short and its full form, and the figure that its runs are ordered by."""

    script: str
    short: Sequence[str]
    full: Sequence[str]
    figure: str


def _args(text: str) -> list[str]:
    return text.split()


_BENCHES = (
    Bench("append.py", _args("--writers 1 --seconds 4"), _args("--writers 1 --seconds 12"), "of_floor_call"),
    Bench("append.py", _args("--writers 16 --seconds 6"), _args("--writers 16 --seconds 15"), "of_floor_call"),
    Bench("append.py", _args("--writers 64 --seconds 6"), _args("--writers 64 --seconds 15"), "of_floor_call"),
    *(
        Bench(
            "append.py",
            _args(f"--writers {writers} --partitions 8 --seconds 4"),
            _args(f"--writers {writers} --partitions 8 --seconds 15"),
            "of_floor_call",
        )
        for writers in (16, 64)
    ),
    Bench(
        "append.py",
        _args("--writers 16 --batch 100 --seconds 6"),
        _args("--writers 16 --batch 100 --seconds 15"),
        "of_floor_call",
    ),
    Bench("read.py", _args("--events 60000"), _args("--events 200000"), "decoded_per_s"),
    Bench("transfer.py", _args("--events 30000"), _args("--events 200000"), "imported_per_s"),
    Bench("catch_up.py", _args("--events 30000"), _args("--events 100000"), "events_per_s"),
    Bench("rebuild.py", _args("--events 30000"), _args("--events 100000"), "per_s"),
    Bench("rebuild_load.py", _args("--events 20000 --seconds 2"), _args("--events 100000"), "rebuilt_per_s"),
    Bench("list_inbox.py", _args("--conversations 20000 --seconds 4"), _args("--seconds 9"), "ratio_to_bare"),
    Bench("poll.py", _args("--conversations 20000 --seconds 2 --followers 200"), _args(""), "poll_to_list"),
    Bench("feed.py", _args("--seconds 3 --followers 200"), _args("--seconds 15"), "lag_p99_ms"),
    Bench("push.py", _args("--events 4000"), _args(""), "pushed_per_s"),
    Bench("reply.py", _args("--seconds 6"), _args("--seconds 15"), "per_s"),
    Bench("mark_read.py", _args("--participants 20000 --readers 4000"), _args(""), "per_s"),
    Bench("cold.py", _args("--times 3"), _args(""), "to_participants"),
    Bench("fan_out.py", _args(""), _args(""), "to_100000"),
    Bench("search.py", _args("--conversations 10000 --rounds 10"), _args(""), "searches"),
    Bench("as_of.py", _args("--conversations 2000 --events 10000 --rounds 10"), _args(""), "list_p50_ms"),
    Bench("unread.py", _args("--seconds 2"), _args("--seconds 6"), "p99_ms"),
    Bench("mark_all_read.py", _args("--unread 5000 --counts 100"), _args(""), "counts_p99_ms"),
    Bench("delivery.py", _args("--people 2000"), _args(""), "mails_per_s"),
    Bench("memory.py", _args("--events 30000 --seconds 2"), _args("--seconds 10"), "memory_mb"),
)
_PEERS = Bench("peers/compare.py", (), _args("--seconds 4"), "convstore_per_s")


def once(bench: Bench, arguments: Sequence[str], dsn: str | None) -> list[dict[str, Any]]:
    """Run a script; give its lines, none when it failed."""
    command = [sys.executable, str(_HERE / bench.script), *arguments, *(["--dsn", dsn] if dsn else [])]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=_PATIENCE)  # noqa: S603
    if ran.returncode:
        print(f"{' '.join(command[1:])} failed", file=sys.stderr)
        return []
    return [msgspec.json.decode(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def median(runs: Sequence[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Give the run in the middle, by one figure; where that is no number, the last run."""
    if not all(isinstance(run.get(figure), int | float) for run in runs):
        return runs[-1]
    return sorted(runs, key=lambda run: float(run[figure]))[len(runs) // 2]


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="whole sizes, and the peers; takes an hour")
    parser.add_argument("--times", type=int, help="runs of each: 1, or 3 with --full")
    parser.add_argument("--only", action="append", default=[], help="only this script, without .py; may be repeated")
    parser.add_argument("--dsn", help="the owner's, of any database of a server; without it embedded ones, fsync on")
    args = parser.parse_args()
    failed = False
    for bench in (*_BENCHES, *([_PEERS] if args.full else [])):
        if (args.only and Path(bench.script).stem not in args.only) or not (_HERE / bench.script).exists():
            continue
        arguments = bench.full if args.full else bench.short
        runs = [once(bench, arguments, args.dsn) for _ in range(args.times or (3 if args.full else 1))]
        failed = failed or not all(runs)
        # A script that prints several lines prints the same ones each time.
        for lines in zip(*(run for run in runs if run), strict=True):
            print(msgspec.json.encode(median(lines, bench.figure)).decode(), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

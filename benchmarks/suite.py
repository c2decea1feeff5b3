"""The benchmark suite: ours beside the usual loop, in one run. `make bench` starts it.

    python benchmarks/suite.py [--quick] [--rounds N] [--out FILE] [--only PART …]
                               [--neural-style-pt FOLDER]

Prints tables and writes a JSON file, which the book's page on performance shows. Each row is
stored as soon as it is measured, so that the same command goes on where a run was cut.
benchmarks/README.md explains the columns.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import contenders as ways
import measuring
import others
import psutil
import quality
import quiet
import report

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "nst_teach" / "weights" / "benchmarks.json"  # where pages find what was measured
QUICK_OUT = ROOT / "_build" / "benchmarks-quick.json"  # a quick run replaces nothing
PARTIAL = ".partial"
SIDES, QUICK_SIDES = (128, 256, 512, 1024), (128, 256)
MEMORY_SIDES = (512, 1024)  # pixels; here the ways are compared, at other sides only ours is
QUICK_NETWORKS = ("petite", "vgg19")
TRIALS = (("petite", 256), ("vgg19", 192))
REAL_SIDE = 256
PARTS = ("rates", "startup", "evaluations", "memory", "quality", "real_thing")

Row = dict
Task = tuple[str, Callable[[frozenset], Iterator[Row]]]
"""The part that rows belong to, and what measures those that are not done yet."""


def tasks(options: argparse.Namespace) -> list[Task]:
    """Everything that is asked for, in order."""
    weights = dict(word.split("=", 1) for word in options.weights)
    sides = tuple(options.sides) or (QUICK_SIDES if options.quick else SIDES)
    networks = options.networks or (QUICK_NETWORKS if options.quick else ways.NETWORKS)
    found: list[Task] = [
        ("rates", lambda done: _once("rates", done, others.rates)),
        ("startup", lambda done: _once("startup", done, others.startup)),
    ]
    for network in networks:
        plan = measuring.Plan(network, sides, options.rounds, weights)
        found.append(("evaluations", lambda done, plan=plan: _evaluations(plan, done)))
    for network in networks:
        plan = measuring.Plan(network, sides, weights=weights)
        for side in sides:
            for way in memory_ways(network, side):
                task = lambda done, p=plan, s=side, w=way: _memory(p, s, w, done)  # noqa: E731
                found.append(("memory", task))
    for network, side in _trials(options):
        trial = quality.Trial(network, side, options.evaluations, weights)
        found.append(("quality", lambda done, trial=trial: _quality(trial, done)))
    if options.neural_style_pt:
        found.append(("real_thing", lambda done: _real_thing(options, done)))
    return [task for task in found if task[0] in (options.only or PARTS)]


def memory_ways(network: str, side: int) -> list[ways.Contender]:
    """Ours everywhere; for VGG-19 at a large size, all ways."""
    rivals = [ways.OURS]
    if network == "vgg19" and side in MEMORY_SIDES:
        rivals = [ways.USUAL, ways.OURS, ways.HALF, ways.LOW]
    return [rival for rival in rivals if ways.is_available(rival)]


def _trials(options: argparse.Namespace) -> list[tuple[str, int]]:
    if options.quality:
        return [(name, int(side)) for name, side in (w.split("=") for w in options.quality)]
    return [("petite", 128)] if options.quick else list(TRIALS)


def _once(key: str, done: frozenset, measure: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    if key not in done:
        yield from measure()


def _evaluations(plan: measuring.Plan, done: frozenset) -> Iterator[Row]:
    left = [side for side in plan.sides if f"evaluations/{plan.network}/{side}" not in done]
    if left:
        rest = measuring.Plan(plan.network, tuple(left), plan.rounds, plan.weights)
        yield from measuring.apart(measuring.evaluations, rest)


def _memory(plan: measuring.Plan, side: int, way: ways.Contender, done: frozenset) -> Iterator[Row]:
    if measuring.memory_key(plan.network, side, way) not in done:
        yield from measuring.apart(measuring.memory, plan, side, way)


def _quality(trial: quality.Trial, done: frozenset) -> Iterator[Row]:
    if trial.key not in done:
        yield from measuring.apart(quality.quality, trial)


def _real_thing(options: argparse.Namespace, done: frozenset) -> Iterator[Row]:
    if f"real_thing/{REAL_SIDE}" not in done:
        rounds = options.rounds or (1 if options.quick else 3)
        yield from others.real_thing(
            options.neural_style_pt, REAL_SIDE, rounds, options.neural_style_model
        )


def run(options: argparse.Namespace) -> dict:
    """Measure what is not in the file of a run that was cut, storing each row."""
    out: Path = options.out
    partial = out.with_name(out.name + PARTIAL)
    record = _begun(partial, _settings(options))
    started = time.monotonic()
    for part, measure in tasks(options):
        done = frozenset(row["key"] for row in record["rows"])
        for row in measure(done):
            record["rows"].append(rounded(row))
            _write(partial, record)
            minutes = (time.monotonic() - started) / 60
            print(f"{minutes:5.1f} min  {part:11}  {row['key']}{_mark(row)}", flush=True)
    record["disturbed"] = report.disturbed(record["rows"])
    record["quiet"] = not record["disturbed"]
    record["load"]["end"] = round(psutil.getloadavg()[0], 2)
    record["minutes"] = round((time.monotonic() - started) / 60, 1)
    record["tables"] = [table.as_json() for table in report.tables(record["rows"])]
    _write(out, record)
    partial.unlink(missing_ok=True)
    return record


def _settings(options: argparse.Namespace) -> dict:
    """What decides whether a run that was cut can go on: the machine, and what was asked for."""
    asked = {name: _nameless(value) for name, value in vars(options).items() if name != "out"}
    return {"machine": quiet.machine(), "asked": asked}


def _nameless(value: object) -> object:
    """Without the folders of this machine: of a path, the last part alone."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list):
        return [_nameless(each) for each in value]
    if isinstance(value, str) and "=" in value:  # NETWORK=FILE
        return f"{value.partition('=')[0]}={Path(value.partition('=')[2]).name}"
    return value


def _begun(partial: Path, settings: dict) -> dict:
    """The record of a run that was cut, if it had the same settings, or a new one."""
    if partial.exists():
        record = json.loads(partial.read_text(encoding="utf-8"))
        if record["settings"] == settings:
            print(f"Going on with the run of {record['date']}, {len(record['rows'])} rows.")
            return record
    return {
        "about": "Measured by benchmarks/suite.py; shown by the book's page on performance.",
        "date": quiet.now(),
        "settings": settings,
        "seed": ways.SEED,
        "pictures": [ways.PHOTO, ways.STYLE],
        "load": {"start": round(psutil.getloadavg()[0], 2)},
        "rows": [],
    }


def rounded(value: object) -> object:
    """Floats with four significant digits: more would be noise."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return value


def _write(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)  # never half a file


def _mark(row: Row) -> str:
    return (
        "" if row["quiet"] else f"   NOT QUIET: another process used {row['others']:.0%} of a core"
    )


def show(record: dict) -> None:
    """The tables, under what they belong to."""
    machine = record["settings"]["machine"]
    print(f"\n{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}, "
          f"commit {machine['commit']}, {record['date']}")  # fmt: skip
    for table in report.tables(record["rows"]):
        print(*table.lines(), sep="\n")
    if not record["quiet"]:
        print(f"\nNOT QUIET: other programs ran during {', '.join(record['disturbed'])}.\n"
              "Close them and repeat before you rely on this.", file=sys.stderr)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description="Ours beside the usual loop: seconds, memory, quality.")
    p.add_argument("--quick", action="store_true", help="small sizes only, a few minutes")
    p.add_argument("--rounds", type=int, help="of each measurement (by size)")
    p.add_argument("--out", type=Path, help=f"the JSON file ({OUT.relative_to(ROOT)})")
    p.add_argument("--only", nargs="*", choices=PARTS, help="parts (all)")
    p.add_argument("--networks", nargs="*", choices=ways.NETWORKS, help="(all)")
    p.add_argument("--sides", nargs="*", type=int, default=[], help="of the images, in pixels")
    p.add_argument("--weights", nargs="*", default=[], metavar="NETWORK=FILE", help="(random)")
    p.add_argument(
        "--quality", nargs="*", metavar="NETWORK=SIDE", help="trials of the time to quality"
    )
    p.add_argument("--evaluations", type=int, default=quality.EVALUATIONS, help="of the usual loop")
    p.add_argument("--neural-style-pt", type=Path, metavar="FOLDER", help="its checkout")
    p.add_argument("--neural-style-model", type=Path, metavar="FILE", help="its weights (random)")
    return p


def main(argv: list[str] | None = None) -> int:
    options = parser().parse_args(argv)
    options.out = options.out or (QUICK_OUT if options.quick else OUT)
    record = run(options)
    show(record)
    print(f"\nWritten to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Mutation testing of the exercises' checks: do they notice when the solution is changed?

    python tools/check_mutants.py ex03                    every mutant of every task of exercise 3
    python tools/check_mutants.py ex03.descend --again    those that survived before, once more
    python tools/check_mutants.py --report                the kill rates on record, as a table

A mutant is the solution of a task with one change. To the changes of tools/mutants.py it adds
those that students make: a term dropped, a mean for a sum, arguments in the wrong order, a result
detached, transposed, of another type, in a tuple; an input changed in place, or frozen at its first
value. It is killed if the check rejects it for every seed, "by luck" if only for some. Mutants that
compute the same do not count; tools/equivalent_check_mutants.txt lists them with reasons. Nor do
those whose change never took effect; of a changed result, only the seeds count at which it did.
Each runs in a fork with a deadline, so that Linux or macOS is needed. Results are kept in a JSON
file, and an interrupted run goes on from there.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("NST_TEACH_PROGRESS", "0")

import handouts  # noqa: E402
import notebooks  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from joblib.externals.loky import get_reusable_executor  # noqa: E402
from mutants import changes  # noqa: E402

from nst_teach_checks import _guard  # noqa: E402
from nst_teach_checks._core import _another_device, judge  # noqa: E402
from nst_teach_checks._tasks import TASKS  # noqa: E402

RECORD = ROOT / "build" / "check_mutants.json"
EQUIVALENT = ROOT / "tools" / "equivalent_check_mutants.txt"
SEEDS = range(2)
PATIENCE = 60  # seconds for all seeds of a mutant
ENDLESS = 2.0
"""Seconds after which a check ends the calls of a mutant, or more if its solution is slow, too."""

SLOWER = 5
"""Times as long as its solution a mutant may always take."""
SPARED = {"torch", "F", "nn", "np", "math", "random", "os", "itertools", "functools", "Path"}
"""Names that are no value, so that leaving out what is called on them only raises an error."""

METHODS = {
    "sum": "mean", "mean": "sum", "amax": "amin", "amin": "amax", "max": "min", "min": "max",
    "square": "abs", "abs": "square", "std": "var", "var": "std", "zeros_like": "ones_like",
    "ones_like": "zeros_like", "zeros": "ones", "ones": "zeros", "round": "floor", "floor": "ceil",
    "ceil": "floor", "relu": "abs", "rand": "randn", "randn": "rand", "Adam": "SGD",
    "append": "extend", "keys": "values", "values": "keys", "argmin": "argmax", "argmax": "argmin",
}  # fmt: skip


# What is done to a result

Change = Callable[[Any], Any]


def _tensor(change: Change) -> Change:
    return lambda value: change(value) if isinstance(value, torch.Tensor) else value


def _floating(change: Change) -> Change:
    return _tensor(lambda value: change(value) if value.is_floating_point() else value)


def _entry(place: int) -> Change:
    def change(value: torch.Tensor) -> torch.Tensor:
        factors = torch.ones_like(value)
        factors.view(-1)[place] = 1.5
        return value * factors

    return _floating(lambda value: change(value) if value.numel() > 1 else value)


def _number(change: Change) -> Change:
    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, (int, float)) and value is not True else value

    return changed


def _text(change: Change) -> Change:
    return lambda value: change(value) if isinstance(value, str) else value


def _other_type(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype == torch.float64 else value.double()


LEAVES: dict[str, Change] = {
    "detached": _tensor(lambda x: x.detach()),
    "of another type": _floating(_other_type),
    "negated": _floating(lambda x: -x),
    "1 % larger": _floating(lambda x: 1.01 * x),
    "shifted": _floating(lambda x: x + 0.05 * (x.abs().max().nan_to_num() + 0.01)),
    "absolute": _floating(lambda x: x.abs()),
    "rounded": _floating(lambda x: x.round()),
    "clamped": _floating(lambda x: x.clamp(0, 1)),
    "transposed": _tensor(lambda x: x.mT if x.ndim > 1 else x),
    "mirrored": _tensor(lambda x: x.flip(-1) if x.ndim else x),
    "upside down": _tensor(lambda x: x.flip(-2) if x.ndim > 1 else x),
    "with its channels reversed": _tensor(lambda x: x.flip(1) if x.ndim > 2 else x),
    "the first image for all": _tensor(lambda x: x[:1].expand_as(x) if x.ndim else x),
    "the images exchanged": _tensor(lambda x: x.flip(0) if x.ndim else x),
    "without its first axis": _tensor(lambda x: x[0] if x.ndim else x),
    "with one axis more": _tensor(lambda x: x[None]),
    "squeezed": _tensor(lambda x: x.squeeze()),
    "the first number wrong": _entry(0),
    "the last number wrong": _entry(-1),
    "not a number": _floating(lambda x: x * float("nan")),
    "as a plain number": _tensor(lambda x: x.item() if x.numel() == 1 else x),
    "as an array": _tensor(lambda x: x.detach().numpy() if x.ndim else x),
    "plus 1": _number(lambda x: x + 1),
    "minus 1": _number(lambda x: x - 1),
    "as text": _number(str),
    "inverted": lambda x: not x if isinstance(x, bool) else x,
    "in capitals": _text(str.upper),
    "with a space": _text(lambda x: x + " "),
    "the wrong pixel type": lambda x: x.astype("int64") if isinstance(x, np.ndarray) else x,
    "the array transposed": lambda x: x.swapaxes(0, 1) if isinstance(x, np.ndarray) else x,
    "the array mirrored": lambda x: x[:, ::-1] if isinstance(x, np.ndarray) and x.ndim > 1 else x,
}


def _parts(change: Change) -> Change:
    return lambda value: change(value) if isinstance(value, (list, tuple, dict)) else value


def _sequence(change: Change) -> Change:
    return lambda value: change(value) if isinstance(value, (list, tuple)) else value


def _without_last(value: Any) -> Any:
    return dict(list(value.items())[:-1]) if isinstance(value, dict) else value[:-1]


WHOLE: dict[str, Change] = {
    "in a tuple": lambda x: (x,),
    "in a list": lambda x: [x],
    "in another order": _sequence(lambda x: x[::-1]),
    "without its last part": _parts(_without_last),
    "without its first part": _sequence(lambda x: x[1:]),
    "its last part twice": _sequence(lambda x: type(x)([*x, x[-1]]) if x else x),
    "its values alone": lambda x: list(x.values()) if isinstance(x, dict) else x,
    "under other names": lambda x: {f"{k}x": v for k, v in x.items()} if isinstance(x, dict) else x,
    "its names in capitals": lambda x: (
        {str(k).upper(): v for k, v in x.items()} if isinstance(x, dict) else x
    ),
}

touched = False
"""Whether the change of this mutant has made a difference to any call."""


def same(one: Any, other: Any) -> bool:
    """Whether a change has left a value as it was."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        alike = alike and one.requires_grad == other.requires_grad
        return alike and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(same, one.values(), other.values()))
    return one is other or one == other is True


def remember(before: Any, after: Any) -> Any:
    global touched
    touched = touched or not same(before, after)
    return after


def on_leaf(change: Change, value: Any, place: int) -> Any:
    """`value` with its first (0) or last (-1) part changed, however deep it lies."""
    if isinstance(value, (list, tuple)) and value:
        parts = list(value)
        parts[place] = on_leaf(change, parts[place], place)
        return tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, dict) and value:
        key = list(value)[place]
        return {**value, key: on_leaf(change, value[key], place)}
    return change(value)


def changed(value: Any, name: str, place: int) -> Any:
    """What the mutant returns in place of `value`."""
    if name in WHOLE:
        return remember(value, WHOLE[name](value))
    if place and not (isinstance(value, (list, tuple, dict)) and len(value) > 1):
        return value  # its first part is its last one
    return remember(value, on_leaf(LEAVES[name], value, place))


def spoil(value: Any, argument: Any) -> Any:
    """`value`, after the argument has been changed in place."""
    global touched
    before = touched
    touched = True
    with torch.no_grad():
        match argument:
            case torch.Tensor() if argument.is_floating_point():
                argument += 0.01
            case np.ndarray() if argument.flags.writeable:
                argument[:] = argument // 2
            case [*_] if isinstance(argument, list):
                argument.append(argument[-1] if argument else 0)
            case dict():
                argument["added"] = next(iter(argument.values()), 0)
            case _:
                touched = before
    return value


def frozen(function: Callable[..., Any], place: int) -> Callable[..., Any]:
    """`function` with one of its arguments as it was in the first call."""
    first: list[Any] = []

    def mutant(*arguments: Any) -> Any:
        given = list(arguments)
        first.append(given[place])
        given[place] = remember(given[place], first[0])
        return function(*given)

    return mutant


def once(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` that gives its first result again and again."""
    made: list[Any] = []

    def mutant(*arguments: Any) -> Any:
        result = function(*arguments)
        made.append(result)
        return remember(result, made[0])

    return mutant


samples: dict[int, list[Any]] = {}
"""What the solution itself has returned, for each return statement."""


def sampled(value: Any, number: int) -> Any:
    samples.setdefault(number, []).append(value)
    return value


def takes_effect(name: str, place: int, values: Iterable[Any]) -> bool:
    """Whether a change of a result changes any of these."""
    global touched
    touched = False
    for value in values:
        with contextlib.suppress(Exception):  # the mutant may then fail, and be killed
            changed(value, name, place)
            continue
        return True
    return touched


HELPERS = {"_changed": changed, "_spoil": spoil, "_frozen": frozen, "_once": once,
           "_sampled": sampled}  # fmt: skip


# What is done to the code


def call(name: str, *arguments: Any) -> ast.Call:
    values = [a if isinstance(a, ast.AST) else ast.Constant(a) for a in arguments]
    return ast.Call(ast.Name(name, ast.Load()), values, [])


def own_changes(
    node: ast.AST, parameters: list[str], assigned: list[str], returned: list[Any]
) -> Iterator[ast.AST]:
    """The changes that tools/mutants.py does not make."""
    match node:
        case ast.Return(value=ast.AST()) if not isinstance(node.value, ast.Lambda):
            for name in (*LEAVES, *WHOLE):
                for end in (0, -1) if name in LEAVES else (0,):
                    if takes_effect(name, end, returned):
                        yield ast.Return(call("_changed", node.value, name, end))
            for name in parameters:
                yield ast.Return(call("_spoil", node.value, ast.Name(name, ast.Load())))
        case ast.BinOp(left=left, op=op, right=right):
            yield from (left, right)
            if isinstance(op, (ast.Sub, ast.Div, ast.Pow, ast.MatMult, ast.FloorDiv)):
                yield ast.BinOp(right, op, left)
        case ast.Constant(float()) if node.value:
            yield from (ast.Constant(node.value * factor) for factor in (2, 1.02))
        case ast.Name(id=name, ctx=ast.Load()) if name in parameters:
            yield from (ast.Name(other, ast.Load()) for other in parameters if other != name)
        case ast.Call(func=function, args=args, keywords=keywords):
            for place in range(len(args) - 1):
                turned = [*args[:place], args[place + 1], args[place], *args[place + 2 :]]
                yield ast.Call(function, turned, keywords)
            if len(args) > 1:
                yield ast.Call(function, args[:-1], keywords)
            if args and (isinstance(function, ast.Name) or _is_spared(function)):
                yield args[0]
            if isinstance(function, ast.Attribute) and function.attr in METHODS:
                other = ast.Attribute(function.value, METHODS[function.attr], ast.Load())
                yield ast.Call(other, args, keywords)
        case ast.For(target=target, iter=every, body=body, orelse=orelse):
            for start, end, step in ((1, None, None), (None, -1, None), (None, None, -1)):
                yield ast.For(target, _part(every, start, end, step), body, orelse)
            yield ast.For(target, every, [*body, ast.Break()], orelse)
        case ast.comprehension(target=target, iter=every, ifs=ifs):
            for start, end, step in ((1, None, None), (None, -1, None), (None, None, -1)):
                yield ast.comprehension(target, _part(every, start, end, step), ifs, node.is_async)
        case ast.Subscript(value=value, ctx=ast.Load()):
            yield value
        case ast.Tuple(elts=[_, _, *_], ctx=ast.Load()) | ast.List(elts=[_, _, *_], ctx=ast.Load()):
            kind = type(node)
            yield kind(node.elts[::-1], ast.Load())
            yield kind(node.elts[:-1], ast.Load())
        case ast.Dict(keys=[_, *_]):
            for place in range(len(node.keys)):
                yield ast.Dict(*(x[:place] + x[place + 1 :] for x in (node.keys, node.values)))
        case ast.Assign(targets=[ast.Name(id=name)]) if assigned.count(name) > 1:
            yield ast.Pass()
        case ast.Compare():
            yield ast.UnaryOp(ast.Not(), node)


def _is_spared(function: ast.AST) -> bool:
    root = function
    while isinstance(root, ast.Attribute):
        root = root.value
    return isinstance(root, ast.Name) and root.id in SPARED


def _part(every: ast.expr, start: int | None, end: int | None, step: int | None) -> ast.expr:
    bounds = (None if b is None else ast.Constant(b) for b in (start, end, step))
    return ast.Subscript(call("list", every), ast.Slice(*bounds), ast.Load())


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, Any, ast.AST, list[str]]]:
    """Every node: its parent, field and index, itself, its statement, and the parameters there."""

    def walk(parent: ast.AST, statement: ast.AST, parameters: list[str]) -> Iterator[Any]:
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "ctx") or isinstance(parent, ast.JoinedStr):
                continue
            nodes = value if isinstance(value, list) else [value]
            for index, node in enumerate(nodes):
                if not isinstance(node, ast.AST):
                    continue
                inner, known = statement, parameters
                if isinstance(node, ast.stmt):
                    inner = node
                if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                    known = [*parameters, *(a.arg for a in node.args.args)]
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if not docstring:
                    place = index if nodes is value else None
                    yield parent, field, place, node, inner, known
                    yield from walk(node, inner, known)

    yield from walk(tree, tree, [])


def shown(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).strip().splitlines()[0]


def junk(node: ast.AST, new: ast.AST) -> bool:
    """Whether a change can only raise an error: it calls a module, or returns one."""
    return isinstance(new, ast.Name) and new.id in SPARED and not isinstance(node, ast.Name)


def returns(tree: ast.AST) -> list[ast.Return]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]


def listening(source: str) -> str:
    """The cell, which also tells what each of its return statements returns."""
    tree = ast.parse(source)
    for number, node in enumerate(returns(tree)):
        node.value = call("_sampled", node.value, number)
    return ast.unparse(ast.fix_missing_locations(tree))


def mutants(source: str, name: str) -> Iterator[tuple[str, str]]:
    """The label and the code of every mutant of a task's cell."""
    tree = ast.parse(source)
    regions = handouts._regions(source, handouts.SOLUTION)
    assigned = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)
                and isinstance(n.ctx, ast.Store)]  # fmt: skip
    counts: dict[str, int] = {}
    seen: set[str] = set()

    def one(label: str) -> tuple[str, str] | None:
        text = ast.unparse(ast.fix_missing_locations(tree))
        if text in seen:
            return None
        seen.add(text)
        counts[label] = counts.get(label, 0) + 1
        label += f"  (number {counts[label]})" if counts[label] > 1 else ""
        compile(text, "<mutant>", "exec")  # raises where it is no program
        return label, text

    one("unchanged")
    numbers = {id(node): number for number, node in enumerate(returns(tree))}
    for parent, field, index, node, statement, parameters in list(places(tree)):
        line = getattr(statement, "lineno", 0) - 1
        if not any(first < line < last for first, last in regions):
            continue
        before = shown(statement)
        returned = samples.get(numbers.get(id(node), -1), [])
        for new in (*changes(node), *own_changes(node, parameters, assigned, returned)):
            if junk(node, new):
                continue
            old = getattr(parent, field)
            value = new if index is None else [*old[:index], new, *old[index + 1 :]]
            setattr(parent, field, value)
            after = shown(new if node is statement else statement)
            try:
                made = one(f"{before}  ->  {after}")
            except (SyntaxError, ValueError):
                made = None
            setattr(parent, field, old)
            if made:
                yield made
    functions = [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == name]
    for function in functions:
        store, load = ast.Name(name, ast.Store()), ast.Name(name, ast.Load())
        arguments = [a.arg for a in function.args.args]
        wraps = [(f"{a} as in the first call", call("_frozen", load, k))
                 for k, a in enumerate(arguments)]  # fmt: skip
        for label, wrapped in (*wraps, ("the first result again and again", call("_once", load))):
            tree.body.append(ast.Assign([store], wrapped))
            made = one(label)
            tree.body.pop()
            if made:
                yield made


# Running them


def outcome(work: Callable[[], str], seconds: float) -> str:
    """What `work()` says in a fork of its own, where each check has so many seconds."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.setsid()
        _guard.DEADLINE = seconds
        try:
            said = work()
        except BaseException as error:  # the mutant's code, before the check
            said = f"killed: {type(error).__name__}"
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    ready, _, _ = select.select([read], [], [], PATIENCE)
    said = os.read(read, 10_000).decode() if ready else ""
    os.close(read)
    if not said:
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said or "killed: no end"


def judged(task: str, code: str, argument: str, space: dict[str, Any]) -> str:
    """`survived`, `by luck`, `killed: MISTAKE` or `no effect`."""
    global touched
    space = {**space, **HELPERS}
    exec(compile(code, "<mutant>", "exec"), space)
    answer = eval(argument, space)
    said: list[tuple[str, bool]] = []
    for seed in SEEDS:
        touched = False
        feedback = judge(TASKS[task], answer, seed)
        said.append((feedback.mistake or feedback.status, touched))
    names = [name for name, _ in said]
    if "_changed(" in code:  # a seed at which nothing was changed, such as 1.5 · 0, does not count
        names = [name for name, effect in said if effect or name != "passed"] or names
    if all(name != "passed" for name in names):
        return f"killed: {names[0]}"
    if "passed" in names and len(set(names)) > 1:
        return f"by luck: {next(n for n in names if n != 'passed')}"
    changes_a_value = any(f"{name}(" in code for name in HELPERS)
    return "survived" if any(e for _, e in said) or not changes_a_value else "no effect"


def tasks_of(source: Path, wanted: Iterable[str]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """The tasks of an exercise: id, cell, the check's argument, and what has been run before."""
    cells = notebooks.read_source(source)
    last = max(k for k, cell in enumerate(cells) if "check" in handouts.tags(cell))
    space: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(cells[: last + 1]):
        tags = handouts.tags(cell)
        if cell.cell_type != "code" or "check" in tags:
            continue
        if "task" in tags:
            task = handouts.task_of(cells[number + 1])
            line = cells[number + 1].source.strip().splitlines()[0]
            if any(task.startswith(w) for w in wanted):
                yield task, cell.source, line.partition("(")[2].rpartition(")")[0], dict(space)
        exec(compile(cell.source, f"<cell {number}>", "exec"), space)


def digest(task: str, cell: str) -> str:
    """Changes with the solution, the checks and this program."""
    files = sorted((ROOT / "nst_teach_checks").glob("_*.py"))
    files += [ROOT / f"nst_teach_checks/{task[:4]}.py"]
    text = cell + "".join(file.read_text(encoding="utf-8") for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def examine(record: dict[str, Any], wanted: list[str], again: bool) -> None:
    for source in sorted((ROOT / "exercises" / "src").glob("ex*.md")):
        if not any(w.startswith(source.stem[:4]) or source.stem.startswith(w) for w in wanted):
            continue
        for task, cell, argument, space in tasks_of(source, wanted):
            entry = record.setdefault(task, {"mutants": {}})
            now = digest(task, cell)
            if entry.get("digest") != now and not again:
                entry["mutants"] = {}
            entry["digest"] = now
            samples.clear()
            begun = time.monotonic()
            said = judged(task, listening(cell), argument, space)  # here: torch is warm in forks
            seconds = max(ENDLESS, SLOWER * (time.monotonic() - begun) / len(SEEDS))
            get_reusable_executor().shutdown(wait=True)  # joblib's: a fork could not use it
            alone = outcome(partial(judged, task, cell, argument, space), seconds)
            if refused := [x for x in (said, alone) if x not in ("survived", "no effect")]:
                sys.exit(f"{task}: the check does not accept the solution ({refused[0]})")
            name = re.sub(r"\W.*", "", argument)
            for label, code in mutants(cell, name):
                known = entry["mutants"].get(label, "")
                alive = known.startswith(("survived", "by luck"))
                if known and not (again and alive and not is_equivalent(task, label)):
                    continue
                entry["mutants"][label] = outcome(
                    partial(judged, task, code, argument, space), seconds
                )
                save(record)
            print(row(task, entry["mutants"]), flush=True)


def save(record: dict[str, Any]) -> None:
    RECORD.parent.mkdir(exist_ok=True)
    part = RECORD.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    part.replace(RECORD)


# The report


def equivalents() -> list[tuple[str, re.Pattern[str]]]:
    """Tasks and patterns of the mutants that compute the same, from the text beside this file."""
    rows = []
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(ex[\d*.a-z_]+): (.+)$", line):
            pattern = ".*".join(re.escape(part) for part in match[2].split("***"))
            rows.append((match[1], re.compile(pattern)))
    return rows


def is_equivalent(task: str, label: str) -> bool:
    return any(
        re.fullmatch(name.replace(".", r"\.").replace("*", ".*"), task) and pattern.fullmatch(label)
        for name, pattern in equivalents()
    )


def counted(task: str, results: dict[str, str]) -> dict[str, int]:
    counts = {"killed": 0, "by luck": 0, "survived": 0, "equivalent": 0, "no effect": 0}
    for label, said in results.items():
        kind = said.partition(":")[0]
        if kind in ("survived", "by luck") and is_equivalent(task, label):
            kind = "equivalent"
        counts[kind] += 1
    return counts


def row(task: str, results: dict[str, str]) -> str:
    counts = counted(task, results)
    tried = sum(counts[kind] for kind in ("killed", "by luck", "survived"))
    rate = 100 * counts["killed"] / tried if tried else 100.0
    return f"{task:28} {rate:6.1f} %  " + "  ".join(f"{n:5} {kind}" for kind, n in counts.items())


def report(record: dict[str, Any], survivors: bool) -> None:
    total: dict[str, str] = {}
    for task in (task for task in TASKS if task in record):
        results = record[task]["mutants"]
        print(row(task, results))
        total |= {f"{task}|{label}": "equivalent" if is_equivalent(task, label)
                  and not said.startswith("killed") else said
                  for label, said in results.items()}  # fmt: skip
        for label, said in results.items() if survivors else ():
            if said.startswith(("survived", "by luck")) and not is_equivalent(task, label):
                print(f"    {said:24} {label}")
    print(row("all", total))


def main() -> None:
    global RECORD, SEEDS
    parser = argparse.ArgumentParser(description="Mutation testing of the exercises' checks.")
    parser.add_argument("tasks", nargs="*", help="such as ex03 or ex03.descend")
    parser.add_argument("--again", action="store_true", help="only what has survived so far")
    parser.add_argument("--report", action="store_true", help="the table of what is on record")
    parser.add_argument("--survivors", action="store_true", help="with the report: list them")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    options = parser.parse_args()
    RECORD, SEEDS = options.record, range(options.seeds)
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if not options.report:
        _another_device()  # here, because its first use is slow
        torch.set_num_threads(1)
        examine(record, options.tasks or ["ex"], options.again)
    report(record, options.survivors)


if __name__ == "__main__":
    main()

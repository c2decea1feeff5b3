"""Mutation testing of the core: do its tests notice when one operation of a module is changed?

    python tools/mutants.py losses starts --sample 9     random mutants of these modules
    python tools/mutants.py losses --only 20 47          those of these numbers

A mutant is a module with a single change: another operator, a constant plus or minus 1, a
condition that is always true, a statement, keyword, slice or method call left out. If a test fails
or hangs, the mutant is killed; otherwise it is equivalent, or shows what no test asks. It needs
Linux or macOS, because each mutant is tested in a fork.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import signal
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The tests of a module, where they are not only those of its own name.
SHARED = {"facade": "run regions memory", "losses": "losses regions", "memory": "memory run",
          "networks": "networks objective", "outputs": "outputs cli", "records": "results run",
          "results": "results run", "starts": "starts run"}  # fmt: skip
OPTIONS = ["-xq", "-pno:cacheprovider", "-pno:xdist", "-pno:nbval", "-oaddopts="]
SECONDS = 200  # the most that the tests of a mutant may take

OPERATORS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,),
    ast.And: (ast.Or,), ast.Or: (ast.And,), ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}  # fmt: skip
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil"}


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may take the place of a node."""
    yield from (new() for new in OPERATORS.get(type(node), ()))
    match node:
        case ast.Constant(bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(int() | float()):
            yield from (ast.Constant(node.value + step) for step in (1, -1))
        case ast.Constant(str()) if node.value and " " not in node.value:
            yield ast.Constant(node.value + "x")
        case ast.UnaryOp(operand=ast.AST()):
            yield node.operand
        case ast.BoolOp(values=[first, *_, last]):
            yield from (first, last)
        case ast.Return(value=ast.AST()):
            yield ast.Return(ast.Constant(None))
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Break():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.With(items=[ast.withitem(optional_vars=None)]):
            yield ast.If(ast.Constant(True), node.body, [])
        case ast.If() | ast.IfExp() if ast.unparse(node.test) != "TYPE_CHECKING":
            yield from (type(node)(ast.Constant(b), node.body, node.orelse) for b in (True, False))
        case ast.comprehension(ifs=[_, *_]):
            yield ast.comprehension(node.target, node.iter, [], node.is_async)
        case ast.Slice():
            yield from (ast.Slice(None, node.upper), ast.Slice(node.lower, None))
        case ast.Call(func=function):
            for out in node.keywords:
                yield ast.Call(function, node.args, [k for k in node.keywords if k is not out])
            if isinstance(function, ast.Attribute):
                yield function.value
            elif isinstance(function, ast.Name) and function.id in FUNCTIONS:
                other = ast.Name(FUNCTIONS[function.id], ast.Load())
                yield ast.Call(other, node.args, node.keywords)


def mutants(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    """The change and the code of every mutant: no message, docstring or annotation is changed."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns") or isinstance(parent, ast.JoinedStr):
                continue
            nodes = value if isinstance(value, list) else [value]
            for index, node in enumerate(nodes):
                text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                if text or not isinstance(node, ast.AST):  # a docstring, or nothing to change
                    continue
                shown = node if isinstance(node, (ast.stmt, ast.expr)) else parent
                for new in changes(node):
                    changed = [*nodes[:index], new, *nodes[index + 1 :]]
                    setattr(parent, field, changed if nodes is value else new)
                    code = compile(ast.fix_missing_locations(tree), "mutant", "exec")
                    setattr(parent, field, value)
                    yield f"{brief(shown)}  ->  {brief(new)}", code


def brief(node: ast.AST) -> str:
    text = ast.unparse(node).strip() or type(node).__name__  # an operator has no text of its own
    return f"{getattr(node, 'lineno', '')} {text.splitlines()[0]:.80}".strip()


def survives(module: str, code: Any) -> bool:
    """Whether all tests of a module pass with this code in its place."""
    if child := os.fork():
        return os.waitpid(child, 0)[1] == 0
    signal.alarm(SECONDS)  # ends the child
    full, path = f"nst_teach.{module}", ROOT / f"nst_teach/{module}.py"
    loader = type("Loader", (SourceFileLoader,), {"get_code": lambda *_: code})(full, str(path))

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> Any:
            return spec_from_file_location(name, path, loader=loader) if name == full else None

    sys.meta_path.insert(0, Finder)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    tests = [f"tests/test_{name}.py" for name in SHARED.get(module, module).split()]
    os._exit(int(pytest.main([*OPTIONS, *tests])))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="+")
    parser.add_argument("--sample", type=int, default=25)
    parser.add_argument("--only", type=int, nargs="+")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    for name in ("torch", "torchvision", "scipy.optimize", "matplotlib.pyplot"):
        importlib.import_module(name)  # once, for all mutants
    for module in options.modules:
        tree = ast.parse((ROOT / f"nst_teach/{module}.py").read_text(encoding="utf-8"))
        if not survives(module, compile(tree, "unchanged", "exec")):
            sys.exit(f"the tests of {module} fail without any change")
        every = dict(enumerate(mutants(tree)))
        sample = random.Random(module).sample(sorted(every), min(options.sample, len(every)))
        for number in sorted(options.only or sample):
            result = "SURVIVES" if survives(module, every[number][1]) else "killed  "
            print(f"{result}  {module} {number}, {every[number][0]}", flush=True)


if __name__ == "__main__":
    main()

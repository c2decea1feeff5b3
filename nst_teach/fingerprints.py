"""What a value is, as a short text: equal in every process and on every day, or else it differs.

A result on the disk may be used again only if nothing has changed that it depends on. That includes
the lines of the function that computed it, the functions and variables that those lines mention,
and the contents of a file whose name they were given.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import itertools
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

PLAIN = (type(None), bool, int, float, complex, bytes)
INSTALLED = {"site-packages", "dist-packages"}
LONGEST_NAME = 1000  # characters; longer texts are not looked up as files


def fingerprint(value: object) -> str:
    """A hash of a value, in hexadecimal digits.

    Args:
        value: a text, a number, a tensor or an array, a container of such values, any object that
            can be pickled, or a function. A text or a path that names a file stands for the
            contents of the file too. A function stands for its code and, recursively, for the
            values of the variables that it uses; those of an installed package and of `nst_teach`
            for the version or the sources of the package.

    Raises:
        TypeError: a value that cannot be compared with one of another process, such as an open
            file or a lock.
    """
    return _of(value, ())


def _of(value: Any, above: tuple[int, ...]) -> str:
    if id(value) in above:  # a function that calls itself, a list in itself
        return f"circle {above.index(id(value))}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, PLAIN):
        return _hash(kind, repr(value))
    if isinstance(value, (str, PurePath)):
        return _hash(kind, str(value), _contents(str(value)))
    parts = [_of(part, (*above, id(value))) for part in _parts(value)]
    return _hash(kind, *(sorted(parts) if isinstance(value, (set, frozenset)) else parts))


def _hash(*texts: str) -> str:
    return hashlib.sha256(repr(texts).encode()).hexdigest()


def _contents(name: str) -> str:
    """The hash of a file; empty if there is none of this name."""
    with contextlib.suppress(OSError, ValueError):
        if len(name) <= LONGEST_NAME and Path(name).is_file():
            return hashlib.sha256(Path(name).read_bytes()).hexdigest()
    return ""


def _parts(value: Any) -> Iterable[Any]:
    """The values of which this one consists."""
    match value:
        case tuple() | list() | set() | frozenset():
            return cast(Iterable[Any], value)
        case dict():
            return itertools.chain(*cast(Mapping[Any, Any], value).items())
        case Tensor():
            flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            return [str(value.dtype), tuple(value.shape), flat.numpy().tobytes()]
        case np.ndarray() if not value.dtype.hasobject:
            return [value.dtype.str, value.shape, value.tobytes()]
        case ModuleType():
            return [value.__name__, _edition(value.__name__) or _sources(value)]
        case FunctionType() | type() if edition := _edition(value.__module__ or ""):
            return [value.__module__, value.__qualname__, edition]
        case FunctionType():
            return _parts_of_function(value)
        case type():
            own = [item for item in vars(value).items() if _matters(*item)]
            return [value.__qualname__, value.__bases__, *own]
        case CodeType():
            names = (value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
            return [value.co_code, value.co_consts, value.co_exceptiontable, repr(names)]
        case property():
            return [value.fget, value.fset, value.fdel]
        case _ if hasattr(value, "__wrapped__"):  # such as a function with functools.cache
            return [value.__wrapped__]
        case _:
            return _parts_of_object(value)


def _parts_of_function(function: FunctionType) -> Iterable[Any]:
    """Its code, its defaults, and the variables around it that the code reads."""
    names = sorted(_globals(function.__code__))
    used = [function.__globals__.get(name) for name in names]
    closure = [cell.cell_contents for cell in function.__closure__ or ()]
    return [function.__code__, function.__defaults__, function.__kwdefaults__, closure, used]


def _globals(code: CodeType) -> set[str]:
    """The global names that a code reads, inner functions included."""
    reading = ("LOAD_GLOBAL", "LOAD_NAME")
    found = {step.argval for step in dis.get_instructions(code) if step.opname in reading}
    return found.union(*(_globals(c) for c in code.co_consts if isinstance(c, CodeType)))


def _matters(name: str, value: object) -> bool:
    """Whether the author of a class wrote this entry: it is no cache and no line number."""
    return isinstance(value, FunctionType) or not name.startswith(("__", "_abc_"))


def _parts_of_object(value: Any) -> Iterable[Any]:
    """What pickle would write: the class, and the state."""
    try:
        reduced = value.__reduce_ex__(4)
    except TypeError as error:
        raise TypeError(
            f"a value of type {type(value).__qualname__} was given, or is used by the function, "
            f"and cannot be compared with an earlier one ({error}). Expected texts, numbers, "
            "tensors or what consists of them; create anything else inside the function."
        ) from error
    if isinstance(reduced, str):  # a global name
        return [getattr(value, "__module__", ""), reduced]
    return [list(cast(Any, p)) if isinstance(p, Iterator) else p for p in reduced]


@cache
def _edition(module: str) -> str:
    """The version of an installed module, or the sources of ours; empty for the user's own."""
    top = module.partition(".")[0]
    if top == __name__.partition(".")[0]:
        return _sources(sys.modules[top])
    if top in sys.stdlib_module_names:
        return platform.python_version()
    package = None if top == "__main__" else sys.modules.get(top)
    if INSTALLED & set(Path(getattr(package, "__file__", None) or "").parts):
        return f"version {getattr(package, '__version__', 'unknown')}"
    return ""


def _sources(module: ModuleType) -> str:
    """The hash of the file of a module, or of all files of a package."""
    file = Path(getattr(module, "__file__", None) or "")
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    return _hash(*(_contents(str(path)) for path in files))

"""Files that a program promises to write: opened before the work, put in place after it.

What would keep a file from being written (a folder of that name, a typo in the path, a full disk,
a picture that would be overwritten) is found before the first step. Until the work is done the
content lies beside its target under a hidden name, so that no target is ever half a file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from pathlib import Path

from nst_teach.images import ImageError

BLOCK = bytes(1 << 20)


def check_output(
    path: Path, endings: Iterable[str], *, inputs: Iterable[str | os.PathLike[str]], force: bool
) -> None:
    """Find what is wrong with a target.

    Args:
        path: where a file is to be written.
        endings: those that it may have, such as `".png"`.
        inputs: files that it must not be.
        force: it may exist.

    Raises:
        ImageError: it cannot be written, or must not be.
    """
    try:
        _check(path, endings, inputs=inputs, force=force)
    except OSError as error:  # a name that no file can have, a folder that must not be entered
        raise ImageError(f"cannot write {path!s:.200}: {error.strerror}.") from error


def _check(
    path: Path, endings: Iterable[str], *, inputs: Iterable[str | os.PathLike[str]], force: bool
) -> None:
    if path.suffix.lower() not in endings:
        raise ImageError(f"cannot save as '{path.name}': use an ending such as .png or .jpg.")
    if not path.parent.is_dir():
        raise ImageError(f"cannot write {path}: there is no folder '{path.parent}'. Make it first.")
    if path.is_dir():
        raise ImageError(f"cannot write {path}: it is a folder. Name a file in it.")
    if path.exists() and any(_is_same(path, other) for other in inputs):
        raise ImageError(f"cannot write {path}: it is one of the inputs. Choose another name.")
    if path.exists() and not force:
        raise ImageError(f"cannot write {path}: it exists. Choose another name, or give --force.")


@contextlib.contextmanager
def promised(path: Path, size: int = 0) -> Generator[Path]:
    """Open a file beside its target; after the `with`, it is the target, or gone after an error.

    Args:
        path: the target.
        size: bytes for which there must be room.

    Raises:
        ImageError: it cannot be written, or there is no such room.
    """
    target = path.resolve()  # a link stays one
    hidden = target.with_name(f".{target.stem[:100]}-{os.getpid()}{target.suffix}")
    try:
        _reserve(hidden, size)
        yield hidden
        hidden.replace(target)
    finally:
        hidden.unlink(missing_ok=True)


def _reserve(hidden: Path, size: int) -> None:
    try:
        with hidden.open("xb") as file:
            for start in range(0, size, len(BLOCK)):
                file.write(BLOCK[: size - start])
            file.flush()
    except OSError as error:
        raise ImageError(
            f"cannot write into '{hidden.parent}': {error.strerror}. Choose another folder, or "
            "make room there."
        ) from error


def _is_same(path: Path, other: str | os.PathLike[str]) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # the other one is no file, such as the name of a sample
        return False

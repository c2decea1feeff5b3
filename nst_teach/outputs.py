"""Output files: opened before the run, moved into place after it.

Anything that would prevent a file from being written (a folder of that name, a typo in the path, a
full disk, a picture that would be overwritten) is detected before the first step. During the run
the file lies next to its target under a hidden name, so that the target is never incomplete.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Generator, Iterable
from pathlib import Path

from nst_teach.images import ImageError

BLOCK = bytes(1 << 20)


def check_output(
    path: Path, endings: Iterable[str], *, inputs: Iterable[str | os.PathLike[str]], force: bool
) -> None:
    """Check that an output file can be written.

    Args:
        path: the output file.
        endings: the permitted file extensions, such as `".png"`.
        inputs: input files, which must not be overwritten.
        force: whether an existing file may be overwritten.

    Raises:
        ImageError: the file cannot be written, or must not be.
    """
    try:
        _check(path, endings, inputs=inputs, force=force)
    except OSError as error:  # an invalid file name, or a folder without access
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
    """Open a file next to its target; it replaces the target, or after an error is deleted.

    Windows replaces no file that another program has open, as a viewer may have. The new file then
    stays beside it, under a name of its own.

    Args:
        path: the target.
        size: bytes to reserve on the disk.

    Raises:
        ImageError: the file cannot be written, or the disk is full; or the target cannot be
            replaced, and the message names the file beside it.
    """
    target = path.resolve()  # a symbolic link is kept
    # The number alone may return: in a container, a program often has the same one every time.
    own = f"{os.getpid()}-{secrets.token_hex(4)}"
    hidden = target.with_name(f".{target.stem[:100]}-{own}{target.suffix}")
    try:
        _reserve(hidden, size)
        yield hidden
        _move(hidden, target)
    finally:
        hidden.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Delete what `promised` has left behind next to a target, if a program was killed meanwhile.

    Call it only for a target that no other program is writing.
    """
    target = path.resolve()
    form = rf"\.{re.escape(target.stem[:100])}-\d+-[0-9a-f]{{8}}{re.escape(target.suffix)}"
    for file in target.parent.iterdir():
        if re.fullmatch(form, file.name):
            file.unlink(missing_ok=True)


def _move(hidden: Path, target: Path) -> None:
    try:
        hidden.replace(target)
    except PermissionError as error:
        beside = target.with_name(f"{target.stem}-{os.getpid()}{target.suffix}")
        hidden.replace(beside)
        raise ImageError(
            f"cannot replace {target}: {error.strerror}. Another program may have it open. What "
            f"was computed is in '{beside.name}', in the same folder."
        ) from error


def _reserve(hidden: Path, size: int) -> None:
    try:
        with hidden.open("xb") as file:
            for start in range(0, size, len(BLOCK)):
                file.write(BLOCK[: size - start])
    except OSError as error:
        raise ImageError(
            f"cannot write into '{hidden.parent}': {error.strerror}. Choose another folder, or "
            "free some space there."
        ) from error


def _is_same(path: Path, other: str | os.PathLike[str]) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):  # `other` is not a file but, for example, the name of a sample
        return False

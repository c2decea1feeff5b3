"""Checkpoints: a run in a file, written while it goes on, from which it can be continued.

A checkpoint holds the run between two steps: the optimiser's state, the history and the pictures
that a run keeps. It is an archive of NumPy arrays (`.npz`, whatever its name) with a manifest in
JSON. No code in it is ever run, and a checksum for each array reveals damage. It is replaced in one
operation, so that a run that is killed leaves the file of an earlier step, and never half of one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from torch import Tensor

from nst_teach import arguments, fingerprints
from nst_teach.images import ImageError
from nst_teach.objective import Objective, StyleObjective
from nst_teach.outputs import promised, remove_leftovers
from nst_teach.records import Record
from nst_teach.results import Memory, Result

EVERY = 60.0  # seconds between two checkpoints
MOST = (
    0.05  # of the time may be spent on writing; if the disk is slow, files are written less often
)
FORMAT = "nst_teach checkpoint 1"
MANIFEST = "manifest"
ZIP = b"PK\x03\x04"  # the first bytes of every archive
KEPT = ("best", "last", "lowest")  # the pictures that a run keeps, see `nst_teach.run`
ANEW = "To begin again, delete it or name another file."


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, belongs to another run or cannot be written."""


@dataclass(frozen=True)
class Checkpoint:
    """A file for a run's checkpoints, and how often it is written.

    Attributes:
        path: the file; a run finds its own there and continues from it.
        every: seconds between two checkpoints, more if the disk is slow (`MOST`); with 0, it is
            written after every step, whatever that costs.
    """

    path: str | os.PathLike[str]
    every: float = EVERY

    def __post_init__(self) -> None:
        if not isinstance(cast(object, self.path), (str, os.PathLike)):
            raise CheckpointError(
                f"checkpoint={arguments.shown(self.path)} was given; expected the name of a file."
            )
        if not 0 <= arguments.number(self.every) < float("inf"):
            raise ValueError(
                f"every={arguments.shown(self.every)} was given; expected seconds, 0 or more."
            )


@dataclass(frozen=True)
class Origin:
    """What a run depends on: a checkpoint is continued only if all of it is the same.

    Attributes:
        objective: its fingerprint, which is the same in every process (`lasting_fingerprint`).
        beginning: a hash of the initial image, and of what an earlier run hands over.
        optimizer: as for `transfer`.
        learning_rate: as for `transfer`.
    """

    objective: str
    beginning: str
    optimizer: str
    learning_rate: float | None


@dataclass(frozen=True)
class Moment:
    """A run between two steps, with nothing that the next step changes.

    Attributes:
        done: the steps of this run so far.
        before: the steps of earlier runs that the optimiser does not count.
        number: `Record.objective` of this run.
        history: one record per evaluation.
        pictures: by the names in `KEPT`, what is known of an image that the run keeps: `image`, the
            `record` of its evaluation, if any, and numbers.
        state: the optimiser's.
    """

    done: int
    before: int
    number: int
    history: list[Record]
    pictures: dict[str, dict[str, Any]]
    state: dict[str, Any]


class Keeper:
    """Writes a run's moments into its checkpoint, and finds the one from which it continues.

    Raises:
        CheckpointError: the file belongs to another run, is damaged or no checkpoint at all. It is
            left as it is, since it may be a year's work whose name was mistyped.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] | Checkpoint,
        origin: Origin,
        settings: dict[str, Any],
        steps: int,
    ):
        given = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        self.path, self.every = Path(given.path), given.every
        self.origin, self.settings = origin, settings
        self.found = self._find(steps)
        self._moment = self._written = self.found
        self._next = time.perf_counter() + self.every
        self._failed = False

    def _find(self, steps: int) -> Moment | None:
        """The moment in the file, after a check that it belongs to this run."""
        try:
            self.path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            pass  # a folder that does not exist is explained below
        except (OSError, ValueError) as error:  # such as a name that is too long
            raise CheckpointError(
                f"cannot write the checkpoint '{self.path!s:.80}': {_reason(error)}. Give another "
                "name."
            ) from error
        if not self.path.parent.is_dir() or self.path.is_dir():
            finding = "it is a folder" if self.path.is_dir() else "its folder does not exist"
            raise CheckpointError(
                f"cannot write the checkpoint '{self.path}': {finding}. Name a file in a folder "
                "that exists."
            )
        remove_leftovers(self.path)
        if not self.path.exists():
            return None
        saved = _read(self.path)
        if differing := saved.differences(self.origin, self.settings):
            raise CheckpointError(
                f"'{self.path}' is the checkpoint of another run ({differing}). Give the same "
                f"arguments to continue that one. {ANEW}"
            )
        if saved.moment.done > steps:
            raise CheckpointError(
                f"'{self.path}' has {saved.moment.done} steps of this run, and steps={steps} was "
                f"given. Give as many or more. {ANEW}"
            )
        return saved.moment

    def begin(self, moment: Moment) -> None:
        """Write the first checkpoint: what would prevent that is found before the first step."""
        if self.found is None:
            self._moment = moment
            try:
                self._write()
            except (OSError, ImageError) as error:
                raise CheckpointError(
                    f"cannot write the checkpoint '{self.path}': {_reason(error)}. Choose another "
                    "folder, or free some space there."
                ) from error

    def between_steps(self, moment: Moment) -> None:
        """Remember a moment, and write it if it is time for that."""
        self._moment = moment
        if time.perf_counter() >= self._next:
            self.save()

    def end(self) -> None:
        """Write the last moment, however the run ended."""
        try:
            self.save()
        except KeyboardInterrupt:  # once more: the result must not be lost as well
            self._warn("interrupted")

    def save(self) -> None:
        """Write the last moment; if that fails, warn, and let the run go on."""
        if self._moment is self._written:
            return
        began = time.perf_counter()
        try:
            self._write()
            self._failed = False
        except (OSError, ImageError, RuntimeError, MemoryError) as error:
            self._warn(_reason(error))
        now = time.perf_counter()
        self._next = now + (self.every and max(self.every, (now - began) / MOST))

    def _write(self) -> None:
        assert self._moment is not None
        with promised(self.path) as hidden, hidden.open("wb") as file:
            _pack(file, self._moment, self.origin, self.settings)
            file.flush()
            os.fsync(file.fileno())  # or a loss of power could leave an empty file
        self._written = self._moment

    def _warn(self, reason: str) -> None:
        if self._failed:  # once, until it succeeds again
            return
        self._failed = True
        kept = "there is none so far"
        if self._written is not None:
            kept = f"the one of step {self._written.before + self._written.done} is still there"
        warnings.warn(
            f"the checkpoint '{self.path}' could not be written ({reason}); {kept}. The run goes "
            "on, and tries again later.",
            RuntimeWarning,
            stacklevel=2,
        )


def load_checkpoint(path: str | os.PathLike[str]) -> Result:
    """The run in a checkpoint as a `Result`, without running anything.

    Its image is the best one so far in [0, 1]. It can be saved, or be the `start` of a run with
    other settings, such as a lower learning rate. To continue the run itself, call `transfer` with
    the same arguments and `checkpoint=path`.

    Raises:
        CheckpointError: the file is missing, damaged, or no checkpoint.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"there is no checkpoint '{path}' (looked in {Path.cwd()}).")
    saved = _read(Path(path))
    moment = saved.moment
    best = moment.pictures["best"]
    return Result(
        image=best["image"],
        history=moment.history,
        steps=moment.before + moment.done,
        settings=saved.settings,
        record=best["record"],
        objective=saved.origin.objective,
        memory=Memory(saved.origin.optimizer, moment.state),
    )


def lasting_fingerprint(objective: Objective) -> str:
    """A text that is equal for two objectives, in any two processes, only if they are equal.

    It is what the objective's method `fingerprint` returns or, if it has none of its own, that of
    its code and its values (`nst_teach.fingerprints.fingerprint`).

    Raises:
        CheckpointError: the objective has values that cannot be compared.
    """
    own: Any = getattr(objective, "fingerprint", None)
    # A subclass that inherits the method is given a number in memory by it, see there.
    unnamed = isinstance(objective, StyleObjective) and _inherits_fingerprint(type(objective))
    if callable(own) and not unnamed:
        return str(own())
    try:
        return fingerprints.fingerprint(objective)
    except (TypeError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoint= was given, and an objective of the type {type(objective).__name__}, "
            "which cannot be compared with that of another process. Give it a method `fingerprint` "
            f"that returns a text. The reason: {error}"
        ) from error


def _inherits_fingerprint(kind: type[StyleObjective]) -> bool:
    return kind is not StyleObjective and kind.fingerprint is StyleObjective.fingerprint


def start_fingerprint(image: Tensor, earlier: Result | None) -> str:
    """A hash of the initial image, and of what an earlier run hands over."""
    handed = (earlier.steps, len(earlier.history), bool(earlier.memory)) if earlier else ()
    sha = hashlib.sha256(repr((tuple(image.shape), str(image.dtype), handed)).encode())
    sha.update(image.detach().contiguous().cpu().numpy().tobytes())
    return sha.hexdigest()


def differences(there: dict[str, Any], now: dict[str, Any], **hashes: str) -> str:
    """How two descriptions differ, such as `beta: 20 there, 30 now`.

    `hashes` are the keys whose values say nothing to a reader, and what to say if one of them
    differs and nothing else does.
    """
    names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
    readable = [name for name in names if name not in hashes]
    if names and not readable:
        return "; ".join(hashes[name] for name in names)
    return "; ".join(f"{name}: {there.get(name)} there, {now.get(name)} now" for name in readable)


# --- the file ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Saved:
    """The contents of a checkpoint."""

    moment: Moment
    origin: Origin
    settings: dict[str, Any]

    def differences(self, origin: Origin, settings: dict[str, Any]) -> str:
        if self.origin == origin:  # the settings only describe it
            return ""
        return differences(
            self.settings | dataclasses.asdict(self.origin),
            _plain(settings) | dataclasses.asdict(origin),
            objective="another photograph, style picture, network or objective",
            beginning="another initial image or seed",
        )


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings as JSON can hold them; they are there to be read."""
    plain: dict[str, Any] = json.loads(json.dumps(settings, default=str))
    return plain


def _pack(file: IO[bytes], moment: Moment, origin: Origin, settings: dict[str, Any]) -> None:
    arrays: list[Tensor] = []
    places = {id(record): place for place, record in enumerate(moment.history)}
    manifest = {
        "format": FORMAT,
        "origin": dataclasses.asdict(origin),
        "settings": _plain(settings),
        "done": moment.done,
        "before": moment.before,
        "number": moment.number,
        "history": [dataclasses.asdict(record) for record in moment.history],
        "pictures": {
            name: _packed(known | {"record": places.get(id(known["record"]))}, arrays)
            for name, known in moment.pictures.items()
        },
        "state": _packed(moment.state, arrays),
    }
    text = np.frombuffer(json.dumps(manifest).encode(), dtype=np.uint8)
    named = {str(n): tensor.detach().cpu().numpy() for n, tensor in enumerate(arrays)}
    np.savez(file, allow_pickle=False, **{MANIFEST: text}, **named)


def _packed(value: Any, arrays: list[Tensor]) -> Any:
    """The value as JSON can hold it; tensors go into `arrays`, each only once."""
    kind = _kind(value)
    if issubclass(kind, Tensor):
        known = (n for n, tensor in enumerate(arrays) if tensor is value)
        place = next(known, len(arrays))
        arrays.extend([value] if place == len(arrays) else [])
        return {"tensor": place}
    if issubclass(kind, dict):
        return {"dict": _each(_packed, value.items(), arrays)}
    if issubclass(kind, (list, tuple)):
        return {kind.__name__: _each(_packed, value, arrays)}
    return value


def _unpacked(value: Any, arrays: list[Tensor]) -> Any:
    if _kind(value) is not dict:
        return value
    ((kind, content),) = cast(dict[str, Any], value).items()
    if kind == "tensor":
        return arrays[int(content)]
    parts = _each(_unpacked, content, arrays)
    containers: dict[str, Any] = {"dict": dict, "list": list, "tuple": tuple}
    return containers[kind](parts)


def _kind(value: object) -> type:
    return type(value)


def _each(
    convert: Callable[[Any, list[Tensor]], Any], values: Iterable[Any], arrays: list[Tensor]
) -> list[Any]:
    return [convert(value, arrays) for value in values]


def _read(path: Path) -> _Saved:
    try:
        with path.open("rb") as file:
            begins = file.read(len(ZIP))
            if begins != ZIP:
                raise _NotOurs(f"it begins with {begins!r}, not as an archive does")
            file.seek(0)
            return _unpack(file)
    except Exception as error:  # what a damaged archive raises depends on the damage
        words = "is no checkpoint" if isinstance(error, _NotOurs) else "is damaged"
        raise CheckpointError(
            f"'{path}' {words}: {_reason(error)}. It was left as it is. {ANEW}"
        ) from error


class _NotOurs(ValueError):
    """A file of another kind."""


def _unpack(file: IO[bytes]) -> _Saved:
    with np.load(file, allow_pickle=False) as archive:
        if MANIFEST not in archive.files:
            raise _NotOurs("it is an archive of other files")
        manifest = json.loads(archive[MANIFEST].tobytes())
        if manifest.get("format") != FORMAT:
            raise _NotOurs(f"its format is {manifest.get('format')!r}, expected {FORMAT!r}")
        count = len(archive.files) - 1
        arrays = [torch.from_numpy(np.array(archive[str(n)])) for n in range(count)]
    history = [Record(**record) for record in manifest["history"]]
    pictures = {name: _unpacked(manifest["pictures"][name], arrays) for name in KEPT}
    for known in pictures.values():
        known["record"] = None if known["record"] is None else history[known["record"]]
    moment = Moment(
        done=manifest["done"],
        before=manifest["before"],
        number=manifest["number"],
        history=history,
        pictures=pictures,
        state=_unpacked(manifest["state"], arrays),
    )
    return _Saved(moment, Origin(**manifest["origin"]), manifest["settings"])


def _reason(error: BaseException) -> str:
    """In a few words; for an error of the system without the name of the hidden file."""
    system = isinstance(error, OSError) and error.strerror
    return str(system or error or type(error).__name__).rstrip(".")

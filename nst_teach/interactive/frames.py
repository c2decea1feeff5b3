"""The intermediate images of a run: an even selection of bounded size, however long the run."""

from __future__ import annotations

from torch import Tensor

from nst_teach.interactive.embed import to_jpeg

MOST_FRAMES = 120  # about 6 MB of JPEGs at 192 pixels


class Frames:
    """JPEGs by step. When there are too many, every second one is dropped from then on."""

    def __init__(self) -> None:
        self._frames: dict[int, bytes] = {}
        self._stride = 1

    def add(self, step: int, image: Tensor) -> None:
        """Keep the image `(1, 3, H, W)` of this step, if the step is a multiple of the interval."""
        if step % self._stride:
            return
        self._frames[step] = to_jpeg(image)
        if len(self._frames) > MOST_FRAMES:
            self._stride *= 2
            kept = {s: jpeg for s, jpeg in self._frames.items() if s % self._stride == 0}
            self._frames = kept

    def copy(self) -> Frames:
        """A copy, which is not affected when the run continues."""
        copied = Frames()
        copied._frames, copied._stride = dict(self._frames), self._stride
        return copied

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps with a frame, in order."""
        return tuple(sorted(self._frames))

    def jpeg(self, step: int) -> bytes:
        """The frame of this step."""
        return self._frames[step]

    def nearest(self, step: int) -> int:
        """The last step with a frame, up to this one."""
        return max(kept for kept in self._frames if kept <= step)

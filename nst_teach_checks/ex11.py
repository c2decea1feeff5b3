"""Checks of exercise 11: warping, a visibility mask, the temporal loss, flicker, a painted clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nst_teach_checks._core import Answer, Case, Mistake, task

__all__ = ["flicker", "paint_in_turn", "slowest", "temporal_loss", "visible", "warp"]

CHAPTER = "11_fast_and_moving"


def _rows(*rows: Sequence[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def _twice(*values: float) -> Tensor:
    """Two equal rows: with a single one, who divides by its last row would divide by 0."""
    return _rows(values, values)


def _row(*values: float) -> Tensor:
    return _rows(values)


def _everywhere(right: float, down: float, like: Tensor) -> Tensor:
    """A flow that is the same at all pixels of an image."""
    flow = like.new_tensor([right, down]).view(1, 2, 1, 1)
    return flow.expand(len(like), 2, *like.shape[-2:]).clone()


# 1 Warp

Places = tuple[Tensor, Tensor]
"""For each pixel the row and the column from which it is fetched, each `(B, H, W)`."""


def _here(flow: Tensor) -> Places:
    height, width = flow.shape[-2:]
    rows, columns = torch.arange(height).to(flow), torch.arange(width).to(flow)
    return (
        rows[:, None].expand(len(flow), height, width),
        columns.expand(len(flow), height, width),
    )


def _places(flow: Tensor, share: float = 1.0) -> Places:
    rows, columns = _here(flow)
    return rows + share * flow[:, 1], columns + share * flow[:, 0]


def _tents(places: Tensor, count: int) -> Tensor:
    """The weight of each of `count` pixels for a place: from 1 at it to 0 one pixel away."""
    distance = places[..., None] - torch.arange(count).to(places)
    return (1 - distance.abs()).clamp(min=0)


def _fetch(image: Tensor, places: Places) -> Tensor:
    """Bilinear interpolation without a grid: every pixel by its weight, and 0 outside."""
    (rows, columns), (height, width) = places, image.shape[-2:]
    weights = _tents(rows, height), _tents(columns, width)
    return torch.einsum("bijk,bijl,bckl->bcij", *weights, image)


def _clamped(places: Places) -> Places:
    rows, columns = places
    height, width = rows.shape[-2:]
    return rows.clamp(0, height - 1), columns.clamp(0, width - 1)


def _warp(image: Tensor, flow: Tensor) -> Tensor:
    return _fetch(image, _clamped(_places(flow)))


def _elsewhere(change: Callable[[Tensor, int, int], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Fetch from wrong places: `change(places, sides, other sides)` of rows, then of columns."""

    def wrong(image: Tensor, flow: Tensor) -> Tensor:
        (rows, columns), (height, width) = _places(flow), image.shape[-2:]
        return _fetch(
            image, _clamped((change(rows, height, width), change(columns, width, height)))
        )

    return wrong


def _reflected(image: Tensor, flow: Tensor) -> Tensor:
    def fold(places: Tensor, last: int) -> Tensor:
        return last - (places % (2 * last) - last).abs()

    (rows, columns), (height, width) = _places(flow), image.shape[-2:]
    return _fetch(image, (fold(rows, height - 1), fold(columns, width - 1)))


def _wrapped(image: Tensor, flow: Tensor) -> Tensor:
    (rows, columns), (height, width) = _places(flow), image.shape[-2:]
    around = F.pad(image, (0, 1, 0, 1), mode="circular")
    return _fetch(around, (rows % height, columns % width))


def _extrapolated(image: Tensor, flow: Tensor) -> Tensor:
    """Two neighbours inside the frame, however far away the place is."""

    def weights(places: Tensor, count: int) -> Tensor:
        first = places.floor().clamp(0, count - 2)
        pair = F.one_hot(first.long(), count), F.one_hot(first.long() + 1, count)
        far = (places - first)[..., None]
        return (1 - far) * pair[0] + far * pair[1]

    (rows, columns), (height, width) = _places(flow), image.shape[-2:]
    both = weights(rows, height), weights(columns, width)
    return torch.einsum("bijk,bijl,bckl->bcij", *both, image)


def _pushed(image: Tensor, flow: Tensor) -> Tensor:
    """Each pixel written to the place that the flow points to, the last one on top."""
    made = torch.zeros_like(image)
    height, width = image.shape[-2:]
    rows, columns = (places.round().long() for places in _places(flow))
    for number in range(len(image)):
        for row in range(height):
            for column in range(width):
                to = int(rows[number, row, column]), int(columns[number, row, column])
                if 0 <= to[0] < height and 0 <= to[1] < width:
                    made[number, :, to[0], to[1]] = image[number, :, row, column]
    return made


def _transposed(image: Tensor, flow: Tensor) -> Tensor:
    """Row and column exchanged, after each was divided by its own side."""
    (rows, columns), (height, width) = _places(flow), image.shape[-2:]
    aspect = (height - 1) / (width - 1)
    return _fetch(image, _clamped((columns * aspect, rows / aspect)))


def _grid_reshaped(image: Tensor, flow: Tensor) -> Tensor:
    """The axes (2, H, W) taken for (H, W, 2) without being exchanged."""
    (rows, columns), (height, width) = _places(flow), image.shape[-2:]
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], 1)
    return F.grid_sample(
        image, grid.reshape(-1, height, width, 2), padding_mode="border", align_corners=True
    )


def _weights_exchanged(places: Tensor, side: int, _: int) -> Tensor:
    inside = places.clamp(0, side - 1)
    return 2 * inside.floor() + 1 - inside


A_FLOW_OF_ONE = (
    "Take a flow of 1 to the right at every pixel. The definition says that the first pixel is "
    "fetched from column 1. From where does yours come?"
)
BETWEEN = (
    "Take the row (0, 2, 4) and a flow of ½ to the right. What is the image half-way between the "
    "first two pixels?"
)
FOUR_NEIGHBOURS = (
    "Follow one pixel by hand. To which place does its flow point, which four pixels surround that "
    "place, and how much does each of them count?"
)
A_FLOW_OF_ZERO = (
    "Pass a flow of zeros. Every pixel should stay exactly as it is: does it? If not, ask where "
    "−1 and 1 are for grid_sample, at the centres of the outermost pixels or at their outer "
    "edges, and how many steps lie between them."
)
OUTSIDE = (
    "Your result is right wherever the flow points into the frame. Which pixel does the task ask "
    "for if it points outside?"
)
SCALE = (
    "The flow is in pixels and grid_sample expects positions from −1 to 1. By how much does such a "
    "position change from one pixel to the next?"
)

WARP = (
    Mistake("not-warped", lambda x, u: x, "You return the image as it was. Where does the flow "
                                          "enter?"),
    Mistake("wrong-sign", lambda x, u: _warp(x, -u), A_FLOW_OF_ONE),
    Mistake(
        "axes-exchanged", lambda x, u: _warp(x, u.flip(1)),
        "Channel 0 of the flow points to the right and channel 1 downwards. Which of them changes "
        "the row?",
    ),
    Mistake(
        "sign-and-axes", lambda x, u: _warp(x, -u.flip(1)),
        "Two things are wrong at once. Take a flow of 1 to the right at every pixel: in which "
        "direction does your image move, and in which should it?",
    ),
    Mistake(
        "pushed", _pushed,
        "You write each pixel to the place that its flow points to. The task says that each pixel "
        "of the result is fetched *from* the place that its flow points to.",
    ),
    Mistake("not-interpolated", _elsewhere(lambda p, *_: p.round()), BETWEEN),
    Mistake("not-interpolated", _elsewhere(lambda p, *_: p.floor()), BETWEEN),
    Mistake("not-interpolated", _elsewhere(lambda p, *_: p.ceil()), BETWEEN),
    Mistake(
        "weights-exchanged", _elsewhere(_weights_exchanged),
        "A place near the left one of two pixels should take most of its value from that one. "
        "Which of your two weights is the large one there?",
    ),
    Mistake("corners-not-aligned", _elsewhere(lambda p, side, _: p * side / (side - 1) - 0.5),
            A_FLOW_OF_ZERO),
    Mistake("wrong-size", _elsewhere(lambda p, side, _: p * (side - 1) / side), A_FLOW_OF_ZERO),
    Mistake("half-a-pixel-off", _elsewhere(lambda p, *_: p - 0.5), A_FLOW_OF_ZERO),
    Mistake("half-a-pixel-off", _elsewhere(lambda p, *_: p + 0.5), A_FLOW_OF_ZERO),
    Mistake("conventions-mixed", _elsewhere(lambda p, side, _: (p + 0.5) * (side - 1) / side),
            A_FLOW_OF_ZERO),
    Mistake(
        "from-0-to-1", _elsewhere(lambda p, side, _: (p + side - 1) / 2),
        "Pass a flow of zeros. Which position does grid_sample expect for the first pixel, and "
        "which for the last? Print those that you pass to it.",
    ),
    Mistake(
        "coordinates-exchanged", _transposed,
        "Pass a flow of zeros: your image comes out transposed. Which of its two coordinates does "
        "grid_sample expect first, the one along the width or the one along the height?",
    ),
    Mistake(
        "sides-exchanged",
        _elsewhere(lambda p, side, other: p * (side - 1) / (other - 1)),
        "A square image would not show this mistake. By which side do you divide columns, and by "
        "which do you divide rows?",
    ),
    Mistake(
        "flow-not-scaled",
        lambda x, u: _fetch(x, _clamped(_add(_here(u), _scaled(u, x.shape, 0.5)))), SCALE,
    ),
    Mistake("half-as-far", lambda x, u: _fetch(x, _clamped(_places(u, 0.5))), SCALE),
    Mistake(
        "own-place-forgotten",
        lambda x, u: _fetch(x, _clamped((u[:, 1], u[:, 0]))),
        "The flow is a displacement. From where is it counted? A flow of zeros should change "
        "nothing.",
    ),
    Mistake("black-outside", lambda x, u: _fetch(x, _places(u)), OUTSIDE),
    Mistake("reflected", _reflected, OUTSIDE),
    Mistake("wrapped-around", _wrapped, OUTSIDE),
    Mistake("extrapolated", _extrapolated, OUTSIDE),
    Mistake(
        "first-flow-for-all", lambda x, u: _warp(x, u[:1].expand_as(u)),
        "Each image of a batch has a flow of its own.",
    ),
    Mistake(
        "grid-reshaped", _grid_reshaped,
        "grid_sample expects the two coordinates in the last axis. Does your way of moving them "
        "there keep the two numbers of a pixel together?",
    ),
)  # fmt: skip


def _scaled(flow: Tensor, shape: Sequence[int], share: float) -> Places:
    """A flow that was taken for a part of the frame instead of pixels, back in pixels."""
    return share * (shape[-2] - 1) * flow[:, 1], share * (shape[-1] - 1) * flow[:, 0]


def _add(one: Places, other: Places) -> Places:
    return one[0] + other[0], one[1] + other[1]


_SMALL, _TALL = _twice(1, 2, 4, 8), _rows((1, 2, 4), (8, 16, 32))

WARP_EXAMPLES: dict[str, Case] = {
    "two rows (1, 2, 4, 8) and a flow of zeros": (_SMALL, _everywhere(0, 0, _SMALL)),
    "two rows (1, 2, 4, 8) and a flow of 1 to the right everywhere":
        (_SMALL, _everywhere(1, 0, _SMALL)),
    "two rows (1, 2, 4, 8) and a flow of ½ to the right everywhere":
        (_SMALL, _everywhere(0.5, 0, _SMALL)),
    "two rows (1, 2, 4, 8) and a flow of ¼ to the right everywhere":
        (_SMALL, _everywhere(0.25, 0, _SMALL)),
    "the rows (1, 2, 4) and (8, 16, 32), and a flow of 1 downwards everywhere":
        (_TALL, _everywhere(0, 1, _TALL)),
    "the rows (1, 2, 4) and (8, 16, 32), and a flow of ½ downwards everywhere":
        (_TALL, _everywhere(0, 0.5, _TALL)),
    "the rows (1, 2, 4) and (8, 16, 32), and a flow of 5 to the left everywhere":
        (_TALL, _everywhere(-5, 0, _TALL)),
    "the rows (1, 2, 4) and (8, 16, 32), and a flow of 1 to the right in the first row and of 0 "
    "in the second": (_TALL, torch.tensor([[[1.0] * 3, [0.0] * 3], [[0.0] * 3] * 2])[None]),
    "a batch of two images with two rows (1, 2, 4, 8) each, with a flow of 0 for the first and of "
    "1 to the right for the second": (_SMALL.repeat(2, 1, 1, 1),
                   torch.cat([_everywhere(0, 0, _SMALL), _everywhere(1, 0, _SMALL)])),
}  # fmt: skip


@task("Warp along a flow", points=3, reread=(CHAPTER, "From image to film"))
def warp(answer: Answer) -> None:
    """`warp(image, flow)`: each pixel fetched from the place that the flow points to."""
    answer.compare(
        _warp, _images_and_flows(answer), mistakes=WARP, otherwise=FOUR_NEIGHBOURS,
        examples=WARP_EXAMPLES,
    )  # fmt: skip


def _images_and_flows(answer: Answer) -> dict[str, Case]:
    draw = answer.inputs
    one, few, many, far = (draw.picture() for _ in range(4))
    pair = draw.picture(2, torch.float64)
    grey = draw.picture()[:, :1]
    sign = _sign(answer)
    return {
        "a shift by whole pixels": (one, _everywhere(2 * sign, -1, one)),
        "a shift by a fraction of a pixel": (few, _everywhere(0.4, 0.3 * sign, few)),
        "a flow that differs from pixel to pixel": (many, _any_flow(answer, many, 1.2)),
        "places far outside the frame": (far, _any_flow(answer, far, 15)),
        "a batch of two images with two flows": (pair, _any_flow(answer, pair, 2)),
        "an image with one channel": (grey, _any_flow(answer, grey, 1.2)),
    }


def _any_flow(answer: Answer, like: Tensor, pixels: float) -> Tensor:
    return pixels * answer.inputs.normal(len(like), 2, *like.shape[-2:], dtype=like.dtype)


def _sign(answer: Answer) -> int:
    return 1 if answer.inputs.normal(1).item() > 0 else -1


# 2 Which pixels were visible

RELATIVE, ABSOLUTE = 0.01, 0.5
"""The tolerance of the chapter: a share of the squared lengths, and pixels²."""

Judgement = Callable[[Tensor, Tensor], Tensor]
"""From the flow u and the other flow, fetched, to what is kept, `(B, 1, H, W)` of booleans."""


def _length(flow: Tensor) -> Tensor:
    return flow.square().sum(1, keepdim=True)


def _consistent(u: Tensor, v: Tensor, relative: float = RELATIVE, absolute: float = ABSOLUTE
                ) -> Tensor:  # fmt: skip
    return _length(u + v) <= relative * (_length(u) + _length(v)) + absolute


Ends = tuple[float, float]
"""How far before the first pixel and after the last one a place may be, in pixels."""
OPEN = math.inf


def _inside(flow: Tensor, rows: Ends = (0, 0), columns: Ends = (0, 0)) -> Tensor:
    fits = torch.ones_like(flow[:, 0], dtype=torch.bool)
    for places, side, ends in zip(_places(flow), flow.shape[-2:], (rows, columns), strict=True):
        fits = fits & (places >= -ends[0]) & (places <= side - 1 + ends[1])
    return fits[:, None]


def _strictly_inside(flow: Tensor) -> Tensor:
    (rows, columns), (height, width) = _places(flow), flow.shape[-2:]
    fits = (rows > 0) & (rows < height - 1) & (columns > 0) & (columns < width - 1)
    return fits[:, None]


def _inside_of_the_other_shape(flow: Tensor) -> Tensor:
    (rows, columns), (height, width) = _places(flow), flow.shape[-2:]
    fits = (rows >= 0) & (rows <= width - 1) & (columns >= 0) & (columns <= height - 1)
    return fits[:, None]


def _all(flow: Tensor) -> Tensor:
    return torch.ones_like(flow[:, :1], dtype=torch.bool)


def _mask(
    flow: Tensor, back: Tensor, judge: Judgement = _consistent,
    fetched: Callable[[Tensor, Tensor], Tensor] = lambda u, v: _warp(v, u),
    inside: Callable[[Tensor], Tensor] = _inside,
) -> Tensor:  # fmt: skip
    """The right mask; options replace its parts by wrong ones."""
    return (judge(flow, fetched(flow, back)) & inside(flow)).to(flow)


def _judged(judge: Judgement) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda u, v: _mask(u, v, judge)


def _fetched(how: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda u, v: _mask(u, v, fetched=how)


def _with_inside(inside: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda u, v: _mask(u, v, inside=inside)


def _with_ends(rows: Ends, columns: Ends) -> Callable[[Tensor, Tensor], Tensor]:
    return _with_inside(lambda flow: _inside(flow, rows, columns))


THERE_AND_BACK = (
    "Follow one pixel of this frame by hand: by `flow` into the other frame, then by `flow_back` "
    "from the place where it arrived. At which pixel do you read each of the two flows?"
)
UNITS = (
    "Look at the units. On the left is a squared distance, in pixels². Is everything that you "
    "compare it with in pixels² too?"
)
FOUR_BORDERS = (
    "A frame has four borders. Let everything come from above, from below, from the left and from "
    "the right in turn: which pixels does your mask exclude each time?"
)
LAST_PIXEL = (
    "A frame has W columns. What is the number of the last one, and is a place half a pixel to the "
    "right of it still inside the frame?"
)
TWO_TERMS = (
    "The tolerance has two parts: one that grows with the motion, for fast objects, and one that "
    "does not, for slow ones. Which do you have?"
)

VISIBLE = (
    Mistake("everything-kept", lambda u, v: torch.ones_like(u[:, :1]),
            "Your mask keeps every pixel. Let an object move in front of a wall: which pixels of "
            "the wall were hidden a moment ago?"),
    Mistake(
        "reversed", lambda u, v: 1 - _mask(u, v),
        "Which pixels get a 1 in your mask: those that are visible in both frames, or the others?",
    ),
    Mistake("not-fetched", _fetched(lambda u, v: v), THERE_AND_BACK),
    Mistake("fetched-by-the-other-flow", _fetched(lambda u, v: _warp(v, v)), THERE_AND_BACK),
    Mistake("fetched-from-the-wrong-side", _fetched(lambda u, v: _warp(v, -u)), THERE_AND_BACK),
    Mistake(
        "mask-of-the-other-frame", lambda u, v: _mask(v, u),
        "That is a mask for the pixels of the *other* frame. For which frame does the task ask, "
        "and which flow starts there?",
    ),
    Mistake(
        "difference-for-sum", _judged(lambda u, v: _consistent_with(u, v, _length(u - v))),
        "A pixel that goes 3 to the right and then 3 to the left is back where it was. Which "
        "combination of the two flows is 0 for it?",
    ),
    Mistake(
        "unit-mixed-up",
        _judged(lambda u, v: _consistent_with(u, v, _length(u + v).sqrt())), UNITS,
    ),
    Mistake(
        "unit-mixed-up",
        _judged(lambda u, v: _length(u + v)
                <= RELATIVE * (_length(u).sqrt() + _length(v).sqrt()) + ABSOLUTE), UNITS,
    ),
    Mistake(
        "unit-mixed-up",
        _judged(lambda u, v: _consistent(u, v, absolute=ABSOLUTE**2)), UNITS,
    ),
    Mistake(
        "unit-mixed-up",
        _judged(lambda u, v: _length(u + v).sqrt()
                <= RELATIVE * (_length(u).sqrt() + _length(v).sqrt()) + ABSOLUTE), UNITS,
    ),
    Mistake("relative-part-missing", _judged(lambda u, v: _consistent(u, v, relative=0)),
            TWO_TERMS),
    Mistake("absolute-part-missing", _judged(lambda u, v: _consistent(u, v, absolute=1e-9)),
            TWO_TERMS),
    Mistake(
        "one-length-missing",
        _judged(lambda u, v: _length(u + v) <= RELATIVE * _length(u) + ABSOLUTE),
        "Your tolerance grows with the length of one flow. The formula adds two squared lengths.",
    ),
    Mistake(
        "mean-for-sum", _judged(lambda u, v: _consistent_with(u, v, _length(u + v) / 2)),
        "The squared length of a vector is the *sum* of the squares of its components.",
    ),
    Mistake(
        "mean-for-sum",
        _judged(lambda u, v: _consistent(u / 2**0.5, v / 2**0.5)),
        "The squared length of a vector is the *sum* of the squares of its components.",
    ),
    Mistake(
        "components-apart",
        _judged(lambda u, v: ((u + v).square() <= RELATIVE * (u.square() + v.square())
                              + ABSOLUTE).all(1, keepdim=True)),
        "You test the two components one by one. The formula compares lengths of vectors.",
    ),
    Mistake(
        "two-channels",
        lambda u, v: ((u + _warp(v, u)).square()
                      <= RELATIVE * (u.square() + _warp(v, u).square()) + ABSOLUTE).to(u),
        "Your mask has two channels, one for each component of the flow. A pixel is either "
        "visible or not.",
    ),
    Mistake(
        "outside-kept", _with_inside(_all),
        "Your mask keeps pixels that come from outside the other frame. A flow that is the same "
        "everywhere always leads back: can all of its pixels have been visible?",
    ),
    *(
        Mistake("border-forgotten", _with_ends(rows, columns), FOUR_BORDERS)
        for rows, columns in (
            ((0, OPEN), (0, 0)), ((0, 0), (0, OPEN)), ((OPEN, 0), (0, 0)), ((0, 0), (OPEN, 0)),
            ((0, OPEN), (0, OPEN)), ((OPEN, 0), (OPEN, 0)),
            ((OPEN, OPEN), (0, 0)), ((0, 0), (OPEN, OPEN)),
        )
    ),
    *(
        Mistake("border-too-far", _with_ends((0, below), (0, beside)), LAST_PIXEL)
        for end in (1, 0.99)  # up to W, and just below it
        for below, beside in ((end, end), (end, 0), (0, end))
    ),
    Mistake(
        "border-excluded", _with_inside(_strictly_inside),
        "A pixel that lies exactly on the border of the other frame is inside it. Pass two flows "
        "of zeros: is every pixel visible?",
    ),
    Mistake(
        "sides-exchanged", _with_inside(_inside_of_the_other_shape),
        "A square frame would not show this mistake. Which side limits the columns, and which the "
        "rows?",
    ),
    Mistake(
        "or-for-and", lambda u, v: (_consistent(u, _warp(v, u)) | _inside(u)).to(u),
        "A pixel has to pass both tests. Yours needs to pass only one of them.",
    ),
    Mistake(
        "only-outside", _judged(lambda u, v: _all(u)),
        "You exclude what comes from outside the frame, but keep what was hidden by an object.",
    ),
    Mistake(
        "axis-dropped", lambda u, v: _mask(u, v)[:, 0],
        "The values are right. Keep the channel axis, with one channel in it, so that the mask "
        "can be multiplied by an image.",
    ),
)  # fmt: skip


def _consistent_with(u: Tensor, v: Tensor, error: Tensor) -> Tensor:
    return error <= RELATIVE * (_length(u) + _length(v)) + ABSOLUTE


def _flow_row(*values: float) -> Tensor:
    """A flow to the right in a frame with two equal rows."""
    flow = _twice(*values)
    return torch.cat([flow, torch.zeros_like(flow)], 1)


VISIBLE_EXAMPLES: dict[str, Case] = {
    "two flows of zeros in a frame of 2 × 4 pixels": (_flow_row(0, 0, 0, 0), _flow_row(0, 0, 0, 0)),
    "2 × 4 pixels, a flow of 1 to the right everywhere, and a flow back of 1 to the left":
        (_flow_row(1, 1, 1, 1), _flow_row(-1, -1, -1, -1)),
    "2 × 4 pixels, a flow of 1 to the left everywhere, and a flow back of 1 to the right":
        (_flow_row(-1, -1, -1, -1), _flow_row(1, 1, 1, 1)),
    "2 × 4 pixels, a flow of ½ to the right everywhere, and a flow back of ½ to the left":
        (_flow_row(*[0.5] * 4), _flow_row(*[-0.5] * 4)),
    "2 × 6 pixels at rest, except that an object came from column 1 to column 3; in each row "
    "flow = (0, 0, 0, −2, 0, 0), flow_back = (0, 2, 0, 0, 0, 0)":
        (_flow_row(0, 0, 0, -2, 0, 0), _flow_row(0, 2, 0, 0, 0, 0)),
    "2 × 4 pixels, in each row flow = (0, 0, 0, 0), flow_back = (0.6, 0.7, 0.8, 0.9)":
        (_flow_row(0, 0, 0, 0), _flow_row(0.6, 0.7, 0.8, 0.9)),
    "2 × 4 pixels, in each row flow = (0, 0, 0, 0), flow_back = (0.2, 0.4, 0.6, 0.8)":
        (_flow_row(0, 0, 0, 0), _flow_row(0.2, 0.4, 0.6, 0.8)),
    "2 × 2 pixels, a flow of 0, and a flow back of 0.6 to the right and 0.6 down":
        (_everywhere(0, 0, torch.zeros(1, 1, 2, 2)),
         _everywhere(0.6, 0.6, torch.zeros(1, 1, 2, 2))),
    "2 × 12 pixels, a flow of 10 to the right everywhere, and a flow back of 11.3 to the left":
        (_flow_row(*[10.0] * 12), _flow_row(*[-11.3] * 12)),
    "2 × 12 pixels, a flow of 10 to the right everywhere, and a flow back of 11.6 to the left":
        (_flow_row(*[10.0] * 12), _flow_row(*[-11.6] * 12)),
    "2 × 12 pixels, a flow of 10 to the right everywhere, and a flow back of 8.5 to the left":
        (_flow_row(*[10.0] * 12), _flow_row(*[-8.5] * 12)),
    "2 × 12 pixels, a flow of 10 to the right everywhere, and a flow back of 11.5 to the left in "
    "the last two columns, of 0 elsewhere":
        (_flow_row(*[10.0] * 12), _flow_row(*[0.0] * 10, -11.5, -11.5)),
    "3 rows of 2 pixels, a flow of 1 down everywhere, and a flow back of 1 up":
        (_everywhere(0, 1, torch.zeros(1, 1, 3, 2)), _everywhere(0, -1, torch.zeros(1, 1, 3, 2))),
    "3 rows of 2 pixels, a flow of 1 up everywhere, and a flow back of 1 down":
        (_everywhere(0, -1, torch.zeros(1, 1, 3, 2)), _everywhere(0, 1, torch.zeros(1, 1, 3, 2))),
}  # fmt: skip


@task("Which pixels were visible", points=2,
      reread=(CHAPTER, "Which pixels were visible in the previous frame?"))  # fmt: skip
def visible(answer: Answer) -> None:
    """`visible(flow, flow_back)`: 1 where a pixel is visible in both frames, `(B, 1, H, W)`."""
    answer.compare(
        _mask, _pairs_of_flows(answer), mistakes=VISIBLE, otherwise=THERE_AND_BACK,
        examples=VISIBLE_EXAMPLES,
    )  # fmt: skip


def _pairs_of_flows(answer: Answer) -> dict[str, Case]:
    """No pixel is close to a limit, so that rounding decides nowhere."""
    sign = _sign(answer)
    camera = answer.inputs.picture(dtype=torch.float64)
    shift = _everywhere(1.6 * sign, -2.4, camera)
    cameras = torch.cat([shift, -shift])  # together they leave the frame at all four borders
    scenes = [
        _occlusion(answer, (-3 * sign, 2), (0, 1.25)),
        _occlusion(answer, (2.25, 3 * sign), (-1.25, 0)),
    ]
    both = tuple(torch.cat(flows).double() for flows in zip(*scenes, strict=True))
    return {
        "an object in front of a scene at rest": _occlusion(answer, (3 * sign, -2), (0, 0)),
        "two cameras that move": (cameras, -cameras),
        "a batch of two objects in front of moving scenes": both,
        "slow flows that miss by 0.4 to 0.8 pixels": _missing(answer, 1, (0.4, 0.65, 0.66, 0.8)),
        "flows of 4 pixels that miss by 0.8 or 1.1": _missing(answer, 4, (0.8, 1.1)),
        "fast flows that miss by 0.8 to 2.3 pixels": _missing(answer, 12, (0.78, 1.2, 1.5, 2.3)),
    }


SCENE, OBJECT = (15, 18), 5
"""Height and width of a scene with an object, and the object's side."""


def _occlusion(
    answer: Answer, motion: tuple[float, float], scene: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Flow to the previous frame and back, of a square that has moved by `motion`."""
    height, width = SCENE
    top = 5 + int(torch.randint(0, 3, (), generator=answer.inputs.generator))
    left = 5 + int(torch.randint(0, 4, (), generator=answer.inputs.generator))
    flow = -_everywhere(*scene, torch.zeros(1, 1, height, width))
    back = -flow
    right, down = motion
    now = (slice(top, top + OBJECT), slice(left, left + OBJECT))
    up, aside = top - round(down), left - round(right)
    then = (slice(up, up + OBJECT), slice(aside, aside + OBJECT))
    for channel, amount in enumerate(motion):
        flow[0, channel][now], back[0, channel][then] = -amount, amount
    return flow, back


def _missing(answer: Answer, pixels: int, misses: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Shifts to both sides, and flows back that miss by these distances in turn.

    Where no pixel arrives, the flow back is 0: it should not matter.
    """
    shift = _everywhere(pixels, 0, torch.zeros(1, 1, 7, 26))
    flow = torch.cat([shift, -shift])
    size = len(flow), 1, *flow.shape[-2:]
    angle = 2 * math.pi * torch.rand(size, generator=answer.inputs.generator)
    distance = flow.new_tensor(misses)[torch.arange(angle.numel()) % len(misses)].view(size)
    origin = torch.arange(flow.shape[-1]) - flow[:, :1]
    reached = (origin >= 0) & (origin <= flow.shape[-1] - 1)
    return flow, (distance * torch.cat([angle.cos(), angle.sin()], 1) - flow) * reached


# 3 The temporal loss


def _temporal_loss(image: Tensor, warped: Tensor, mask: Tensor) -> Tensor:
    return (mask * (image - warped).square()).mean()


WHOLE_MEAN = (
    "Hide half of the pixels, and let the other half differ as before. The formula takes the mean "
    "over *all* pixels and channels, so what should happen to the loss?"
)
MASK_ONCE = "Let the mask be ½ somewhere. How often does it enter the formula?"

TEMPORAL = (
    Mistake(
        "mask-forgotten", lambda x, w, m: (x - w).square().mean(),
        "Pixels that were hidden in the previous frame have nothing to be compared with. Where "
        "does the mask enter?",
    ),
    Mistake(
        "mask-reversed", lambda x, w, m: _temporal_loss(x, w, 1 - m),
        "You compare the pixels that were hidden and let the visible ones do what they like.",
    ),
    Mistake("divided-by-visible",
            lambda x, w, m: (m * (x - w).square()).sum() / m.sum() / x.shape[1], WHOLE_MEAN),
    Mistake("divided-by-visible", lambda x, w, m: (m * (x - w).square()).sum() / m.sum(),
            WHOLE_MEAN),
    Mistake("divided-by-visible",
            lambda x, w, m: (x - w).square()[m.expand_as(x) > 0].mean(), WHOLE_MEAN),
    Mistake(
        "summed", lambda x, w, m: (m * (x - w).square()).sum(),
        "Your loss grows with the size of the image. Is the formula a sum or a mean?",
    ),
    Mistake(
        "divided-by-pixels", lambda x, w, m: (m * (x - w).square()).sum(1).mean(),
        "You divide by the number of pixels. How many numbers does an image have?",
    ),
    Mistake("mask-squared", lambda x, w, m: (m * (x - w)).square().mean(), MASK_ONCE),
    Mistake("mask-squared", lambda x, w, m: F.mse_loss(m * x, m * w), MASK_ONCE),
    Mistake(
        "mask-on-one-side", lambda x, w, m: (m * x - w).square().mean(),
        "Where the mask is 0, the difference should not count. Does it, in yours?",
    ),
    Mistake(
        "mask-on-one-side", lambda x, w, m: (x - m * w).square().mean(),
        "Where the mask is 0, the difference should not count. Does it, in yours?",
    ),
    Mistake(
        "not-squared", lambda x, w, m: (m * (x - w).abs()).mean(),
        "Double the difference at all pixels. By which factor should the loss grow?",
    ),
    Mistake(
        "not-squared", lambda x, w, m: (m * (x - w)).mean(),
        "One pixel is too bright by 0.1, another too dark by 0.1. What does your loss say?",
    ),
    Mistake(
        "root-taken", lambda x, w, m: _temporal_loss(x, w, m).sqrt(),
        "Double the difference at all pixels. By which factor should the loss grow?",
    ),
    Mistake(
        "difference-of-means", lambda x, w, m: ((m * x).mean() - (m * w).mean()).square(),
        "You compare two numbers, the mean colours. One pixel is too bright by 0.1, another too "
        "dark by 0.1: what does your loss say?",
    ),
    Mistake(
        "one-for-each-image", lambda x, w, m: (m * (x - w).square()).mean((1, 2, 3)),
        "You return a number for each image. A loss is a single number.",
    ),
    Mistake(
        "not-reduced", lambda x, w, m: m * (x - w).square(),
        "You return a number for each pixel. A loss is a single number.",
    ),
)  # fmt: skip

TEMPORAL_EXAMPLES: dict[str, Case] = {
    "image (1, 1, 1, 1), warped (0, 0, 0, 0), mask (1, 1, 1, 0)":
        (_row(1, 1, 1, 1), _row(0, 0, 0, 0), _row(1, 1, 1, 0)),
    "image (2, 2, 2, 2), warped (0, 0, 0, 0), mask (1, 1, 1, 0)":
        (_row(2, 2, 2, 2), _row(0, 0, 0, 0), _row(1, 1, 1, 0)),
    "image (3, 1, 5, 1), warped (1, 3, 1, 1), mask (1, 1, 0, 0)":
        (_row(3, 1, 5, 1), _row(1, 3, 1, 1), _row(1, 1, 0, 0)),
    "image (1, 1), warped (0, 0), mask (½, ½)": (_row(1, 1), _row(0, 0), _row(0.5, 0.5)),
    "one pixel with the colour (1, 1, 1), warped (0, 0, 0), mask 1":
        (torch.ones(1, 3, 1, 1), torch.zeros(1, 3, 1, 1), torch.ones(1, 1, 1, 1)),
}  # fmt: skip


@task("The temporal loss", points=1, reread=(CHAPTER, "Four ways to paint a clip"))
def temporal_loss(answer: Answer) -> None:
    """`temporal_loss(image, warped, mask)`: one number; it moves the image, never the past."""
    cases = {
        "a mask of zeros and ones": _images_and_mask(answer, share=0.6),
        "a mask that is almost all zeros": _images_and_mask(answer, share=0.2),
        "a dark batch of two": _images_and_mask(answer, 2, torch.float64, bright=0.2),
        "a mask with values between 0 and 1": _images_and_mask(answer, soft=True),
    }
    answer.compare(
        _temporal_loss, cases, mistakes=TEMPORAL, otherwise=WHOLE_MEAN, examples=TEMPORAL_EXAMPLES
    )
    first = next(iter(cases.values()))
    answer.gradients(_temporal_loss, first)
    _must_leave_the_past_alone(answer, *first)


def _images_and_mask(
    answer: Answer, batch: int = 1, dtype: torch.dtype = torch.float32, *,
    share: float = 0.5, bright: float = 1.0, soft: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    image = bright * answer.inputs.picture(batch, dtype)
    warped = bright * torch.rand(image.shape, generator=answer.inputs.generator, dtype=dtype)
    size = batch, 1, *image.shape[-2:]
    mask = torch.rand(size, generator=answer.inputs.generator, dtype=dtype)
    mask = mask if soft else (mask < share).to(dtype)
    mask[..., 0, 0], mask[..., 0, 1] = 1, 0  # never empty, never full
    return image, warped, mask


def _must_leave_the_past_alone(answer: Answer, image: Tensor, warped: Tensor, mask: Tensor) -> None:
    new, old = image.clone().requires_grad_(), warped.clone().requires_grad_()
    loss = answer(new, old, mask)
    slope = _slope(loss, old)
    if slope is not None and slope.abs().max() > 0:
        row, column = divmod(int(slope[0, 0].abs().argmax()), slope.shape[-1])
        answer.reject(
            "gradient-to-the-past",
            "the value and the gradient of the image are right, but a gradient also reaches the "
            f"warped previous frame: {slope[0, 0, row, column].item():.3g} at row {row}, column "
            f"{column} of its first channel",
            "The previous frame has been painted and shown. With your loss, an optimiser would "
            "move it towards the new one as well. How do you treat a tensor as a constant?",
        )  # fmt: skip


def _slope(loss: Tensor, at: Tensor) -> Tensor | None:
    """The gradient, if one flows at all."""
    found: Tensor | None
    (found,) = torch.autograd.grad(loss, at, allow_unused=True)
    return found


# 4 Flicker

Clip = tuple[list[Tensor], list[Tensor], list[Tensor]]
"""Frames, flows to the previous frame, and masks."""


def _pairs(
    frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor],
    one: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
) -> Tensor:  # fmt: skip
    """`one(previous, frame, flow, mask)` of each pair."""
    return torch.stack(
        [one(*pair) for pair in zip(frames[:-1], frames[1:], flows, masks, strict=True)]
    )


def _of_pair(old: Tensor, new: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    square = mask * (new - _warp(old, flow)).square()
    return square.sum() / mask.sum() / new.shape[1]


def _flicker(frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    return _pairs(frames, flows, masks, _of_pair)


def _by_pair(
    one: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
) -> Callable[..., Tensor]:
    return lambda frames, flows, masks: _pairs(frames, flows, masks, one)


def _against_the_first(
    frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor]
) -> Tensor:
    return torch.stack(
        [_of_pair(frames[0], *pair) for pair in zip(frames[1:], flows, masks, strict=True)]
    )


def _one_share(
    frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor]
) -> Tensor:
    left = _pairs(frames, flows, masks, lambda o, n, u, m: _temporal_loss(n, _warp(o, u), m))
    return left / torch.stack([m.mean() for m in masks]).mean()


SHARE = (
    "Two pairs of frames flicker equally, but in one of them half of the pixels are hidden. Should "
    "their numbers be equal, and are yours?"
)
EXPLAINED = (
    "Take a clip in which everything moves exactly as the flow says. Its flicker is 0. What do "
    "you get?"
)

FLICKER = (
    Mistake("not-warped", _by_pair(lambda o, n, u, m: _of_pair(o, n, 0 * u, m)), EXPLAINED),
    Mistake(
        "new-frame-warped",
        _by_pair(lambda o, n, u, m: _of_pair(n, o, u, m)),
        "The flow starts at the pixels of the new frame and points into the previous one. From "
        "which of the two can you fetch with it?",
    ),
    Mistake("wrong-sign", _by_pair(lambda o, n, u, m: _of_pair(o, n, -u, m)), EXPLAINED),
    Mistake(
        "mask-forgotten",
        _by_pair(lambda o, n, u, m: _of_pair(o, n, u, torch.ones_like(m))),
        "Pixels that were hidden in the previous frame cannot flicker. Which pixels does yours "
        "count?",
    ),
    Mistake("mask-reversed", _by_pair(lambda o, n, u, m: _of_pair(o, n, u, 1 - m)),
            "You count the pixels that were hidden. What does a 1 in the mask mean?"),
    Mistake("share-forgotten",
            _by_pair(lambda o, n, u, m: _temporal_loss(n, _warp(o, u), m)), SHARE),
    Mistake("one-share-for-all", _one_share, SHARE),
    Mistake(
        "channels-forgotten",
        _by_pair(lambda o, n, u, m: n.shape[1] * _of_pair(o, n, u, m)),
        "You divide by the number of visible pixels. How many squares have you added up for each "
        "of them?",
    ),
    Mistake(
        "summed",
        _by_pair(lambda o, n, u, m: (m * (n - _warp(o, u)).square()).sum()),
        "Your number grows with the size of the frame. The flicker is a mean.",
    ),
    Mistake(
        "one-number", lambda x, u, m: _flicker(x, u, m).mean(),
        "You return one number for the whole clip. The task asks for one for each pair of frames, "
        "so that one can see where it flickers.",
    ),
    Mistake(
        "one-number", lambda x, u, m: _flicker(x, u, m).sum(),
        "You return one number for the whole clip. The task asks for one for each pair of frames, "
        "so that one can see where it flickers.",
    ),
    Mistake(
        "root-taken", lambda x, u, m: _flicker(x, u, m).sqrt(),
        "Double all differences. By which factor should the flicker grow?",
    ),
    Mistake(
        "not-squared",
        _by_pair(lambda o, n, u, m: (m * (n - _warp(o, u)).abs()).sum() / m.sum() / n.shape[1]),
        "Double all differences. By which factor should the flicker grow?",
    ),
    Mistake("against-the-first", _against_the_first,
            "You compare every frame with the first. With which one does the flow connect it?"),
    Mistake(
        "first-frame-counted",
        lambda x, u, m: torch.cat([torch.zeros(1).to(x[0]), _flicker(x, u, m)]),
        "How many pairs do n frames have? The first frame has no predecessor.",
    ),
    Mistake(
        "backwards", lambda x, u, m: _flicker(x, u, m).flip(0),
        "The numbers are right, but in the wrong order.",
    ),
)  # fmt: skip

_FIRST, _SECOND = _twice(1, 2, 3, 4), _twice(9, 1, 2, 5)

FLICKER_EXAMPLES: dict[str, Case] = {
    "two frames whose rows are all (1, 2, 3, 4) and (9, 1, 2, 5), a flow of 1 to the left "
    "everywhere, and the mask (0, 1, 1, 1) in each row":
        ([_FIRST, _SECOND], [_flow_row(-1, -1, -1, -1)], [_twice(0, 1, 1, 1)]),
    "two frames of 2 × 4 pixels that are 0 and 2 everywhere, a flow of zeros, and the mask "
    "(0, 1, 1, 1) in each row":
        ([_twice(0, 0, 0, 0), _twice(2, 2, 2, 2)], [_flow_row(0, 0, 0, 0)], [_twice(0, 1, 1, 1)]),
    "three frames of 2 × 2 pixels that are 0, 1 and 3 everywhere, flows of zeros, and the masks "
    "(1, 1) and (1, 0) in each row":
        ([_twice(0, 0), _twice(1, 1), _twice(3, 3)], [_flow_row(0, 0)] * 2,
         [_twice(1, 1), _twice(1, 0)]),
    "two frames of 2 × 2 pixels with the colours (0, 0, 0) and (1, 1, 1), a flow of zeros and a "
    "mask of ones":
        ([torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)], [_flow_row(0, 0)], [_twice(1, 1)]),
}  # fmt: skip


@task("Flicker", points=1, reread=(CHAPTER, "Measuring flicker"))
def flicker(answer: Answer) -> None:
    """`flicker(frames, flows, masks)`: a tensor with one number for each pair of frames."""
    answer.compare(
        _flicker,
        {
            "a clip of three frames": _clip(answer, 3),
            "a dark clip of four frames": _clip(answer, 4, bright=0.2),
            "a clip in which most pixels are hidden": _clip(answer, 3, share=0.25),
            "a clip of two frames": _clip(answer, 2),
        },
        mistakes=FLICKER, otherwise=EXPLAINED, examples=FLICKER_EXAMPLES,
    )  # fmt: skip


def _clip(
    answer: Answer, count: int, *, dtype: torch.dtype = torch.float32, bright: float = 1.0,
    share: float = 0.7,
) -> Clip:  # fmt: skip
    """Random frames, flows by fractions of a pixel, and masks with other shares in each pair."""
    first = bright * answer.inputs.picture(dtype=dtype)
    frames = [first]
    draw = answer.inputs.generator
    for _ in range(count - 1):
        frames.append(bright * torch.rand(first.shape, generator=draw, dtype=dtype))
    flows = [_any_flow(answer, first, 1.5) for _ in frames[1:]]
    masks = []
    for number, _ in enumerate(flows):
        noise = torch.rand(1, 1, *first.shape[-2:], generator=draw, dtype=dtype)
        mask = (noise < share / (1 + number)).to(dtype)
        mask[..., 0, 0], mask[..., 0, 1] = 1, 0  # never empty, never full
        masks.append(mask)
    return frames, flows, masks


# 5 A clip, frame after frame

Loss = Callable[[Tensor], Tensor]
Settle = Callable[[Loss, Tensor], Tensor]


def _paint(
    frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor],
    goals: Sequence[Loss], weight: float, settle: Settle,
    *,
    expect: Callable[[list[Tensor], int], Tensor] | None = None,
    begin: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda e, p, m: torch.where(m > 0, e, p),
    compared: Callable[[Tensor], Tensor] = lambda m: m,
    goal: Callable[[int], int] = lambda t: t,
    share: Callable[[float], float] = lambda w: w,
    held: Callable[[Tensor], Tensor] = lambda x: x,
    own: float = 1.0,
) -> list[Tensor]:  # fmt: skip
    """The right way; options replace its parts by wrong ones."""
    clip = [settle(goals[0], frames[0])]
    for t in range(1, len(frames)):
        mask = masks[t - 1]
        expected = expect(clip, t) if expect else _warp(clip[-1], flows[t - 1])

        def loss(image: Tensor, t: int = t, expected: Tensor = expected, mask: Tensor = mask
                 ) -> Tensor:  # fmt: skip
            temporal = _temporal_loss(held(image), expected, compared(mask))
            return own * goals[goal(t)](image) + share(weight) * temporal

        clip.append(settle(loss, begin(expected, frames[t], mask)))
    return clip


def _studio(
    function: Callable[..., Any], frames: list[Tensor], flows: list[Tensor], masks: list[Tensor],
    weight: float,
) -> dict[str, Any]:  # fmt: skip
    """What a function does in a studio where one step of gradient descent settles everything."""
    seen: dict[str, Any] = {}

    def settle(loss: Loss, start: Tensor) -> Tensor:
        number = sum(name.startswith("the start") for name in seen) + 1
        image = start.detach().clone().requires_grad_()
        seen[f"the start of painting {number}"] = start.detach().clone()
        frame = frames[min(number, len(frames)) - 1].clone().requires_grad_()
        there = loss(frame)
        seen[f"the loss of painting {number} at its photo"] = there.detach()
        (seen[f"the gradient of this loss at photo {number}"],) = torch.autograd.grad(there, frame)
        value = loss(image)
        (slope,) = torch.autograd.grad(value, image)
        return (image - 0.2 * slope).detach()

    clip = function(frames, flows, masks, _goals(frames), weight, settle)
    return seen | {f"frame {n} of the clip": image for n, image in enumerate(clip, start=1)}


def _goals(frames: Sequence[Tensor]) -> list[Loss]:
    """Each frame would like to be its own negative."""

    def goal_for(frame: Tensor) -> Loss:
        return lambda image: (image - (1 - frame)).square().sum()

    return [goal_for(frame) for frame in frames]


def _painted(name: str, hint: str, make: Callable[..., list[Tensor]]) -> Mistake:
    return Mistake(name, lambda *case: _studio(make, *case), hint)


def _with(**options: Any) -> Callable[..., list[Tensor]]:
    return lambda *case: _paint(*case, **options)


def _on_its_own(frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor],
                goals: Sequence[Loss], weight: float, settle: Settle) -> list[Tensor]:  # fmt: skip
    return [settle(goal, frame) for goal, frame in zip(goals, frames, strict=True)]


def _next_flow(
    frames: Sequence[Tensor], flows: Sequence[Tensor], masks: Sequence[Tensor],
    goals: Sequence[Loss], weight: float, settle: Settle,
) -> list[Tensor]:  # fmt: skip
    later = [*flows[1:], flows[-1]]
    return _paint(frames, later, [*masks[1:], masks[-1]], goals, weight, settle)


def _from_photos(frames: Sequence[Tensor], flows: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    return _paint(frames, flows, *rest, expect=lambda clip, t: _warp(frames[t - 1], flows[t - 1]))


def _from_the_first(frames: Sequence[Tensor], flows: Sequence[Tensor], *rest: Any) -> list[Tensor]:
    return _paint(frames, flows, *rest, expect=lambda clip, t: _warp(clip[0], flows[t - 1]))


REREAD_STEPS = (
    "Write down for frame 2 what it starts from and what its loss contains, in the words of the "
    "task. Then print both in your loop."
)

PAINT = (
    _painted("on-its-own", "Each of your frames begins with its photo and has only its own goal. "
             "What does it receive from the frame before it?", _on_its_own),
    _painted(
        "temporal-loss-missing",
        "Your start is right. But the optimiser is free to leave it: what holds it back?",
        _with(share=lambda w: 0.0),
    ),
    _painted(
        "goal-missing", "Your frames are steady. What makes them paintings? The goal of the frame "
                        "belongs to the loss.", _with(own=0.0),
    ),
    _painted(
        "frame-taken-for-constant",
        "Your loss is right, but its gradient is that of the goal alone. Which of the two images "
        "does your temporal loss take for a constant, and which should move?",
        _with(held=Tensor.detach),
    ),
    _painted(
        "weight-ignored", "The temporal loss enters with a weight of 1, whatever `weight` is.",
        _with(share=lambda w: 1.0),
    ),
    _painted(
        "starts-from-the-photo", "Your loss is right. Where should the optimiser begin at pixels "
                                 "that were visible before?", _with(begin=lambda e, p, m: p),
    ),
    _painted(
        "ghosts-in-the-start",
        "Pixels that were hidden have no painting to start from. What does the warped painting "
        "show there?", _with(begin=lambda e, p, m: e),
    ),
    _painted(
        "start-reversed", "You start from the photo where the pixel was visible before, and from "
                          "the painting where it was not.",
        _with(begin=lambda e, p, m: torch.where(m > 0, p, e)),
    ),
    _painted(
        "mask-missing-in-the-loss",
        "Your temporal loss holds every pixel to the warped painting. Should it hold those that "
        "were hidden?", _with(compared=torch.ones_like),
    ),
    _painted(
        "mask-missing", "The mask enters neither the start nor the loss. What happens to the "
                        "pixels that were hidden?",
        _with(begin=lambda e, p, m: e, compared=torch.ones_like),
    ),
    _painted(
        "not-warped", "The previous painting is where things *were*. Where are they now?",
        _with(expect=lambda clip, t: clip[-1]),
    ),
    _painted("photo-warped", "You warp the previous photo. Which image should the new painting be "
             "similar to?", _from_photos),
    _painted("always-the-first", "Every frame follows the first painting. With which frame do its "
             "flow and its mask connect it?", _from_the_first),
    _painted(
        "flow-of-the-next-pair",
        "flows[0] leads from the second frame to the first. Which one leads from frame number t?",
        _next_flow,
    ),
    _painted(
        "goal-of-another-frame", "Each photo has a goal of its own. Which entry of `goals` do you "
                                 "use for frame number t?", _with(goal=lambda t: t - 1),
    ),
    _painted(
        "goal-of-another-frame", "Each photo has a goal of its own. Which entry of `goals` do you "
                                 "use for frame number t?", _with(goal=lambda t: 0),
    ),
)  # fmt: skip


@task("A clip, frame after frame", points=2, reread=(CHAPTER, "Four ways to paint a clip"))
def paint_in_turn(answer: Answer) -> None:
    """`paint_in_turn(frames, flows, masks, goals, weight, settle)`: the painted frames, a list."""
    clips = {
        "a clip of four frames": (*_clip(answer, 4), 30.0),
        "a clip of two frames": (*_clip(answer, 2, share=0.4), 200.0),
        "a clip in double precision": (*_clip(answer, 3, dtype=torch.float64), 5.0),
    }
    for frames, flows, masks, weight in clips.values():
        settle = _Counted()
        made = answer(frames, flows, masks, _goals(frames), weight, settle)
        _must_be_a_clip(answer, made, frames, settle.calls)
    answer.through(_studio).compare(
        lambda *case: _studio(_paint, *case), clips, mistakes=PAINT, otherwise=REREAD_STEPS
    )


class _Counted:
    """A small step of gradient descent, which counts how often it is called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, loss: Loss, start: Tensor) -> Tensor:
        self.calls += 1
        image = start.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(image), image)
        return (image - 0.01 * slope).detach()


def _must_be_a_clip(answer: Answer, made: Any, frames: Sequence[Tensor], calls: int) -> None:
    if not isinstance(made, (list, tuple)) or not all(isinstance(x, Tensor) for x in made):
        answer.reject(
            "not-a-clip", f"your function returned a value of type {type(made).__name__}",
            "A clip is a list of images, as `frames` is.",
        )  # fmt: skip
    if len(made) != len(frames):
        answer.reject(
            "frames-missing", f"given {len(frames)} frames, your clip has {len(made)}",
            "The painted clip has a painting for every photo. What happens to the first and to "
            "the last one in your loop?",
        )  # fmt: skip
    if calls != len(frames):
        answer.reject(
            "not-settled-once", f"given {len(frames)} frames, settle was called {calls} times",
            "Every frame of the clip is settled once, the first one too. Print a line before each "
            "call.",
        )  # fmt: skip


# 6 What the mask cannot see

LOWEST, HIGHEST = 0.705, 0.7225
"""Accepted: the limit to two digits, whether it is rounded, or found by trial in steps of 0.01."""

LIMIT = (ABSOLUTE / (1 - RELATIVE)) ** 0.5
"""From v² = 0.01 v² + 0.5."""


def _noticed(speed: float) -> tuple[int, int]:
    """How many of the pixels that an object has uncovered the mask excludes, and their number."""
    back = torch.zeros(1, 2, 12, 12)
    back[0, 0, 3:9, 3:9] = speed  # the object in the previous frame
    flow = torch.zeros(1, 2, 12, 12)
    flow[0, 0, 3:9, 4:9] = -speed  # the column that it has left is at rest now
    uncovered = _mask(flow, back)[0, 0, 3:9, 3]
    return int((uncovered == 0).sum()), len(uncovered)


@task("What the mask cannot see", points=1,
      reread=(CHAPTER, "Which pixels were visible in the previous frame?"))  # fmt: skip
def slowest(answer: Answer) -> None:
    """The lowest speed at which uncovered pixels are noticed, in pixels a frame: a number."""
    value = answer.value
    value = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        answer.reject(
            "not-a-number", f"you handed in {answer.value!r:.60}", "Hand in a speed, as a number."
        )
    if not (0 < value < math.inf):
        answer.reject("not-a-speed", f"your speed is {value:g}", "A speed is a positive number.")
    if not LOWEST <= value <= HIGHEST:
        _refute(answer, float(value))


def _refute(answer: Answer, value: float) -> None:
    """Run the mask at a speed between the student's and the right one."""
    between = (value + LIMIT) / 2
    found, number = _noticed(between)
    low = value < LIMIT
    seen = (
        f"you say {value:.4g}. An object that moves by {between:.4g} pixels a frame is "
        f"{'faster' if low else 'slower'} than that, and the mask notices {found} of the {number} "
        "pixels that it has uncovered"
    )
    if abs(value - LIMIT**2) < 0.01:
        answer.reject(
            "root-forgotten", seen,
            "You have found the square of a speed. In which unit is the 0.5 of the formula?",
        )  # fmt: skip
    answer.reject(
        "too-low" if low else "too-high", seen,
        "An uncovered pixel belongs to the scene at rest: what is u there? The previous frame "
        "shows the object at the same place: what is ṽ? Put both into the formula.",
    )  # fmt: skip

"""Exercise 11, as students answer it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import right, wrong

# warp


def places(flow):
    """Columns and rows, (B, H, W) each."""
    height, width = flow.shape[-2:]
    columns = torch.arange(width, dtype=flow.dtype) + flow[:, 0]
    rows = torch.arange(height, dtype=flow.dtype)[:, None] + flow[:, 1]
    return columns, rows


def sample(image, columns, rows, **options):
    """grid_sample, with places in pixels."""
    height, width = image.shape[-2:]
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], dim=-1)
    options = {"padding_mode": "border", "align_corners": True} | options
    return F.grid_sample(image, grid, **options)


@right("warp")
def by_grid_sample(image, flow):
    return sample(image, *places(flow))


@right("warp")
def as_in_the_chapter(image, flow):
    height, width = image.shape[-2:]
    columns, rows = torch.arange(width), torch.arange(height)
    here = torch.stack(torch.meshgrid(columns, rows, indexing="xy"))
    last = torch.tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    grid = 2 * (here + flow) / last - 1
    return F.grid_sample(image, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=True)


@right("warp")
def corners_by_the_other_convention(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


@right("warp")
def base_and_displacement(image, flow):
    height, width = image.shape[-2:]
    y = torch.linspace(-1, 1, height, dtype=flow.dtype)
    x = torch.linspace(-1, 1, width, dtype=flow.dtype)
    base = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    per_pixel = flow.new_tensor([2 / (width - 1), 2 / (height - 1)])
    grid = base + flow.movedim(1, -1) * per_pixel
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@right("warp")
def four_neighbours(image, flow):
    height, width = image.shape[-2:]
    columns, rows = places(flow)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    left, top = columns.floor().long(), rows.floor().long()
    to_right, down = columns - left, rows - top
    number = torch.arange(len(image))[:, None, None]

    def at(row, column):
        row, column = row.clamp(max=height - 1), column.clamp(max=width - 1)
        return image[number, :, row, column]

    upper = (
        at(top, left).movedim(-1, 0) * (1 - to_right) + at(top, left + 1).movedim(-1, 0) * to_right
    )
    lower = (
        at(top + 1, left).movedim(-1, 0) * (1 - to_right)
        + at(top + 1, left + 1).movedim(-1, 0) * to_right
    )
    return (upper * (1 - down) + lower * down).movedim(0, 1)


@right("warp")
class WarpByLoops(nn.Module):
    def forward(self, image, flow):
        made = torch.empty_like(image)
        count, _, height, width = image.shape
        for b in range(count):
            for r in range(height):
                for c in range(width):
                    x = min(max(c + flow[b, 0, r, c].item(), 0), width - 1)
                    y = min(max(r + flow[b, 1, r, c].item(), 0), height - 1)
                    x0, y0 = int(x), int(y)
                    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
                    top = (1 - x + x0) * image[b, :, y0, x0] + (x - x0) * image[b, :, y0, x1]
                    low = (1 - x + x0) * image[b, :, y1, x0] + (x - x0) * image[b, :, y1, x1]
                    made[b, :, r, c] = (1 - y + y0) * top + (y - y0) * low
        return made


@wrong("warp", expects="not-warped")
def unchanged(image, flow):
    return image.clone()


@wrong("warp", expects="wrong-sign")
def minus_the_flow(image, flow):
    return by_grid_sample(image, -flow)


@wrong("warp", expects="axes-exchanged")
def rows_first(image, flow):
    return by_grid_sample(image, flow[:, [1, 0]])


@wrong("warp", expects="sign-and-axes")
def minus_and_rows_first(image, flow):
    return by_grid_sample(image, -flow[:, [1, 0]])


@wrong("warp", expects="pushed")
def forward_instead_of_backward(image, flow):
    made = torch.zeros_like(image)
    count, _, height, width = image.shape
    for b in range(count):
        for r in range(height):
            for c in range(width):
                x = round(c + flow[b, 0, r, c].item())
                y = round(r + flow[b, 1, r, c].item())
                if 0 <= x < width and 0 <= y < height:
                    made[b, :, y, x] = image[b, :, r, c]
    return made


@wrong("warp", expects="not-interpolated")
def nearest_pixel(image, flow):
    return sample(image, *places(flow), mode="nearest")


@wrong("warp", expects="not-interpolated")
def whole_pixels_by_long(image, flow):
    height, width = image.shape[-2:]
    columns, rows = (p.long() for p in places(flow))
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    return torch.stack([x[:, r, c] for x, r, c in zip(image, rows, columns, strict=True)])


@wrong("warp", expects="not-interpolated")
def whole_pixels_above(image, flow):
    columns, rows = places(flow)
    return sample(image, columns.ceil(), rows.ceil())


@wrong("warp", expects="weights-exchanged")
def far_one_weighs_more(image, flow):
    height, width = image.shape[-2:]
    columns, rows = places(flow)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    return sample(image, 2 * columns.floor() + 1 - columns, 2 * rows.floor() + 1 - rows)


@wrong("warp", expects="corners-not-aligned")
def align_corners_by_default(image, flow):
    return sample(image, *places(flow), align_corners=False)


@wrong("warp", expects="wrong-size")
def divided_by_the_width(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * columns / width - 1, 2 * rows / height - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="half-a-pixel-off")
def divided_by_the_width_without_corners(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * columns / width - 1, 2 * rows / height - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=False)


@wrong("warp", expects="half-a-pixel-off")
def from_the_centres_of_pixels(image, flow):
    columns, rows = places(flow)
    return sample(image, columns + 0.5, rows + 0.5)


@wrong("warp", expects="conventions-mixed")
def two_conventions_mixed(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="from-0-to-1")
def shares_of_the_sides(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([columns / (width - 1), rows / (height - 1)], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="coordinates-exchanged")
def row_before_column(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * rows / (height - 1) - 1, 2 * columns / (width - 1) - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="sides-exchanged")
def height_first(image, flow):
    columns, rows = places(flow)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * columns / (height - 1) - 1, 2 * rows / (width - 1) - 1], dim=-1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="flow-not-scaled")
def flow_added_to_the_grid(image, flow):
    identity = torch.eye(2, 3, dtype=flow.dtype).expand(len(image), 2, 3)
    grid = F.affine_grid(identity, list(image.shape), align_corners=True)
    grid = grid + flow.permute(0, 2, 3, 1)
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="half-as-far")
def two_forgotten(image, flow):
    height, width = image.shape[-2:]
    identity = torch.eye(2, 3, dtype=flow.dtype).expand(len(image), 2, 3)
    grid = F.affine_grid(identity, list(image.shape), align_corners=True)
    grid = grid + flow.permute(0, 2, 3, 1) / flow.new_tensor([width - 1, height - 1])
    return F.grid_sample(image, grid, padding_mode="border", align_corners=True)


@wrong("warp", expects="own-place-forgotten")
def flow_as_a_place(image, flow):
    return sample(image, flow[:, 0], flow[:, 1])


@wrong("warp", expects="black-outside")
def padding_by_default(image, flow):
    return sample(image, *places(flow), padding_mode="zeros")


@wrong("warp", expects="reflected")
def padding_by_reflection(image, flow):
    return sample(image, *places(flow), padding_mode="reflection")


@wrong("warp", expects="wrapped-around")
def modulo(image, flow):
    height, width = image.shape[-2:]
    columns, rows = places(flow)
    left, top = columns.floor(), rows.floor()
    x, y = columns - left, rows - top
    made = []
    for b in range(len(image)):

        def at(row, column, b=b):
            return image[b][:, (row[b] % height).long(), (column[b] % width).long()]

        upper = at(top, left) * (1 - x[b]) + at(top, left + 1) * x[b]
        lower = at(top + 1, left) * (1 - x[b]) + at(top + 1, left + 1) * x[b]
        made.append(upper * (1 - y[b]) + lower * y[b])
    return torch.stack(made)


@wrong("warp", expects="extrapolated")
def clamped_too_late(image, flow):
    height, width = image.shape[-2:]
    columns, rows = places(flow)
    left = columns.floor().long().clamp(0, width - 2)
    top = rows.floor().long().clamp(0, height - 2)
    x, y = columns - left, rows - top
    made = []
    for b in range(len(image)):
        upper = image[b][:, top[b], left[b]] * (1 - x[b]) + image[b][:, top[b], left[b] + 1] * x[b]
        below = top[b] + 1
        lower = image[b][:, below, left[b]] * (1 - x[b]) + image[b][:, below, left[b] + 1] * x[b]
        made.append(upper * (1 - y[b]) + lower * y[b])
    return torch.stack(made)


@wrong("warp", expects="first-flow-for-all")
def one_flow(image, flow):
    return by_grid_sample(image, flow[0].expand(len(image), -1, -1, -1))


@wrong("warp", expects="grid-reshaped")
def reshaped(image, flow):
    height, width = image.shape[-2:]
    columns, rows = places(flow)
    grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], dim=1)
    return F.grid_sample(
        image, grid.reshape(len(image), height, width, 2), padding_mode="border", align_corners=True
    )


@wrong("warp", expects="shapes-do-not-fit")
def meshgrid_the_other_way(image, flow):
    height, width = image.shape[-2:]
    here = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="ij"))
    columns, rows = (here + flow).unbind(1)
    return sample(image, columns, rows)


@wrong("warp", expects="wrong-value")
def only_columns_between_pixels(image, flow):
    columns, rows = places(flow)
    return sample(image, columns, rows.round())


@wrong("warp", expects="changed-input")
def adds_into_the_flow(image, flow):
    height, width = image.shape[-2:]
    flow[:, 0] += torch.arange(width)
    flow[:, 1] += torch.arange(height)[:, None]
    return sample(image, flow[:, 0], flow[:, 1])


@wrong("warp", expects="types-do-not-fit")
def always_single(image, flow):
    columns, rows = places(flow.float())
    return sample(image, columns, rows)


# visible


def consistent(flow, back):
    """The formula, for a flow and the other one, fetched."""
    error = ((flow + back) ** 2).sum(1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return error <= 0.01 * lengths + 0.5


def inside(flow):
    height, width = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    return fits.unsqueeze(1)


def both(flow, back):
    return (consistent(flow, back) & inside(flow)).to(flow.dtype)


@right("visible")
def two_tests(flow, flow_back):
    return both(flow, by_grid_sample(flow_back, flow))


@right("visible")
def by_norms(flow, flow_back):
    fetched = as_in_the_chapter(flow_back, flow)
    missed = torch.linalg.vector_norm(flow + fetched, dim=1)
    first, second = (torch.linalg.vector_norm(f, dim=1) for f in (flow, fetched))
    kept = missed <= torch.sqrt(0.01 * (first**2 + second**2) + 0.5)
    return torch.where(kept[:, None] & inside(flow), 1.0, 0.0).to(flow)


@right("visible")
class VisibleInTheGrid(nn.Module):
    def forward(self, flow, flow_back):
        height, width = flow.shape[-2:]
        columns, rows = places(flow)
        grid = torch.stack([2 * columns / (width - 1) - 1, 2 * rows / (height - 1) - 1], dim=1)
        mask = consistent(flow, by_grid_sample(flow_back, flow)).to(flow.dtype)
        mask[(grid.abs() > 1).any(1, keepdim=True)] = 0
        return mask


@right("visible")
def pixel_by_pixel(flow, flow_back):
    count, _, height, width = flow.shape
    fetched = four_neighbours(flow_back, flow)
    mask = torch.zeros(count, 1, height, width, dtype=flow.dtype)
    for b in range(count):
        for r in range(height):
            for c in range(width):
                (x, y), (s, t) = flow[b, :, r, c].tolist(), fetched[b, :, r, c].tolist()
                near = (x + s) ** 2 + (y + t) ** 2 <= 0.01 * (x * x + y * y + s * s + t * t) + 0.5
                mask[b, 0, r, c] = near and 0 <= c + x <= width - 1 and 0 <= r + y <= height - 1
    return mask


@right("visible")
def outside_by_a_warped_mask(flow, flow_back):
    """With zeros outside, a warped image of ones is 1 where the place is inside."""
    columns, rows = places(flow)
    seen = sample(torch.ones_like(flow[:, :1]), columns, rows, padding_mode="zeros")
    kept = consistent(flow, sample(flow_back, columns, rows, padding_mode="zeros"))
    return (kept & (seen > 1 - 1e-4)).to(flow.dtype)


@wrong("visible", expects="everything-kept")
def ones(flow, flow_back):
    return torch.ones_like(flow[:, :1])


@wrong("visible", expects="wrong-value")
def length_of_the_flow_back_here(flow, flow_back):
    fetched = by_grid_sample(flow_back, flow)
    missed, there, back = (
        (x**2).sum(1, keepdim=True) for x in (flow + fetched, flow_back, fetched)
    )
    return ((missed <= 0.01 * (there + back) + 0.5) & inside(flow)).to(flow)


@wrong("visible", expects="wrong-value")
def whole_lengths(flow, flow_back):
    fetched = by_grid_sample(flow_back, flow)
    missed, there, back = (
        (x**2).sum(1, keepdim=True).round() for x in (flow + fetched, flow, fetched)
    )
    return ((missed <= 0.01 * (there + back) + 0.5) & inside(flow)).to(flow)


@wrong("visible", expects="reversed")
def hidden_ones(flow, flow_back):
    return 1 - two_tests(flow, flow_back)


@wrong("visible", expects="not-fetched")
def added_in_place(flow, flow_back):
    return both(flow, flow_back)


@wrong("visible", expects="fetched-by-the-other-flow")
def warped_by_itself(flow, flow_back):
    return both(flow, by_grid_sample(flow_back, flow_back))


@wrong("visible", expects="fetched-from-the-wrong-side")
def warped_against_the_flow(flow, flow_back):
    return both(flow, by_grid_sample(flow_back, -flow))


@wrong("visible", expects="mask-of-the-other-frame")
def frames_exchanged(flow, flow_back):
    return two_tests(flow_back, flow)


@wrong("visible", expects="difference-for-sum")
def difference_of_flows(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    error = ((flow - back) ** 2).sum(1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return ((error <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="unit-mixed-up")
def root_on_the_left(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    missed = (flow + back).norm(dim=1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return ((missed <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="unit-mixed-up")
def lengths_not_squared(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    missed = (flow + back).norm(dim=1, keepdim=True) ** 2
    lengths = flow.norm(dim=1, keepdim=True) + back.norm(dim=1, keepdim=True)
    return ((missed <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="unit-mixed-up")
def no_squares_at_all(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    missed = (flow + back).norm(dim=1, keepdim=True)
    lengths = flow.norm(dim=1, keepdim=True) + back.norm(dim=1, keepdim=True)
    return ((missed <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="unit-mixed-up")
def half_a_pixel_squared(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    error = ((flow + back) ** 2).sum(1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return ((error <= 0.01 * lengths + 0.5**2) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="relative-part-missing")
def absolute_only(flow, flow_back):
    error = ((flow + by_grid_sample(flow_back, flow)) ** 2).sum(1, keepdim=True)
    return ((error <= 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="absolute-part-missing")
def relative_only(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    error = ((flow + back) ** 2).sum(1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return ((error <= 0.01 * lengths + 1e-6) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="one-length-missing")
def own_length_only(flow, flow_back):
    error = ((flow + by_grid_sample(flow_back, flow)) ** 2).sum(1, keepdim=True)
    limit = 0.01 * (flow**2).sum(1, keepdim=True) + 0.5
    return ((error <= limit) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="relative-part-missing")
def compared_with_itself(flow, flow_back):
    error = ((flow + by_grid_sample(flow_back, flow)) ** 2).sum(1, keepdim=True)
    return ((error <= 0.01 * error + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="mean-for-sum")
def mean_on_the_left(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    error = ((flow + back) ** 2).mean(1, keepdim=True)
    lengths = (flow**2).sum(1, keepdim=True) + (back**2).sum(1, keepdim=True)
    return ((error <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="mean-for-sum")
def mean_everywhere(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    error = ((flow + back) ** 2).mean(1, keepdim=True)
    lengths = (flow**2).mean(1, keepdim=True) + (back**2).mean(1, keepdim=True)
    return ((error <= 0.01 * lengths + 0.5) & inside(flow)).to(flow.dtype)


@wrong("visible", expects="components-apart")
def each_component_passes(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    kept = (flow + back) ** 2 <= 0.01 * (flow**2 + back**2) + 0.5
    return (kept[:, :1] & kept[:, 1:] & inside(flow)).to(flow.dtype)


@wrong("visible", expects="two-channels")
def a_mask_for_each_component(flow, flow_back):
    back = by_grid_sample(flow_back, flow)
    return ((flow + back) ** 2 <= 0.01 * (flow**2 + back**2) + 0.5).to(flow.dtype)


@wrong("visible", expects="outside-kept")
def formula_only(flow, flow_back):
    return consistent(flow, by_grid_sample(flow_back, flow)).to(flow.dtype)


def kept_within(flow, flow_back, fits):
    kept = consistent(flow, by_grid_sample(flow_back, flow))
    return (kept & fits[:, None]).to(flow.dtype)


@wrong("visible", expects="border-forgotten")
def nothing_about_the_last_row(flow, flow_back):
    columns, rows = places(flow)
    fits = (columns >= 0) & (columns <= flow.shape[-1] - 1) & (rows >= 0)
    return kept_within(flow, flow_back, fits)


@wrong("visible", expects="border-forgotten")
def nothing_about_the_first_column(flow, flow_back):
    height, width = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    return kept_within(flow, flow_back, fits)


@wrong("visible", expects="border-forgotten")
def only_not_negative(flow, flow_back):
    columns, rows = places(flow)
    return kept_within(flow, flow_back, (columns >= 0) & (rows >= 0))


@wrong("visible", expects="border-forgotten")
def only_columns_inside(flow, flow_back):
    columns, _ = places(flow)
    return kept_within(flow, flow_back, (columns >= 0) & (columns <= flow.shape[-1] - 1))


@wrong("visible", expects="border-too-far")
def below_the_number_of_pixels(flow, flow_back):
    height, width = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return kept_within(flow, flow_back, fits)


@wrong("visible", expects="border-too-far")
def up_to_the_number_of_pixels(flow, flow_back):
    height, width = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns >= 0) & (columns <= width) & (rows >= 0) & (rows <= height)
    return kept_within(flow, flow_back, fits)


@wrong("visible", expects="border-excluded")
def strictly_inside(flow, flow_back):
    height, width = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    kept = consistent(flow, by_grid_sample(flow_back, flow))
    return (kept & fits[:, None]).to(flow.dtype)


@wrong("visible", expects="sides-exchanged")
def height_for_width(flow, flow_back):
    width, height = flow.shape[-2:]
    columns, rows = places(flow)
    fits = (columns >= 0) & (columns <= width - 1) & (rows >= 0) & (rows <= height - 1)
    kept = consistent(flow, by_grid_sample(flow_back, flow))
    return (kept & fits[:, None]).to(flow.dtype)


@wrong("visible", expects="or-for-and")
def either_test(flow, flow_back):
    kept = consistent(flow, by_grid_sample(flow_back, flow))
    return (kept | inside(flow)).to(flow.dtype)


@wrong("visible", expects="only-outside")
def inside_only(flow, flow_back):
    return inside(flow).to(flow.dtype)


@wrong("visible", expects="axis-dropped")
def no_channel(flow, flow_back):
    return two_tests(flow, flow_back).squeeze(1)


@wrong("visible", expects="wrong-dtype")
def booleans(flow, flow_back):
    return two_tests(flow, flow_back) > 0


@wrong("visible", expects="many-answers")
def python_and(flow, flow_back):
    return (consistent(flow, by_grid_sample(flow_back, flow)) and inside(flow)).to(flow.dtype)


# temporal_loss


@right("temporal_loss")
def masked_mean(image, warped, mask):
    return (mask * (image - warped.detach()) ** 2).mean()


@right("temporal_loss")
def by_functional(image, warped, mask):
    with torch.no_grad():
        target = warped.clone()
    return (F.mse_loss(image, target, reduction="none") * mask).mean()


@right("temporal_loss")
def channel_after_channel(image, warped, mask):
    target = warped.detach()
    parts = [((image[:, c] - target[:, c]).square() * mask[:, 0]).mean() for c in range(3)]
    return sum(parts) / 3


@right("temporal_loss")
class SumOverCount(nn.Module):
    def forward(self, image, warped, mask):
        difference = (image - warped.data) * mask.sqrt()
        return torch.linalg.vector_norm(difference) ** 2 / image.numel()


@wrong("temporal_loss", expects="mask-forgotten")
def plain_mse(image, warped, mask):
    return F.mse_loss(image, warped.detach())


@wrong("temporal_loss", expects="mask-reversed")
def hidden_pixels(image, warped, mask):
    return masked_mean(image, warped, 1 - mask)


@wrong("temporal_loss", expects="divided-by-visible")
def over_visible_pixels(image, warped, mask):
    mask = mask.expand_as(image)
    return (mask * (image - warped.detach()) ** 2).sum() / mask.sum()


@wrong("temporal_loss", expects="divided-by-visible")
def over_the_sum_of_the_mask(image, warped, mask):
    return (mask * (image - warped.detach()) ** 2).sum() / mask.sum()


@wrong("temporal_loss", expects="divided-by-visible")
def by_a_boolean_index(image, warped, mask):
    chosen = mask.expand_as(image) > 0
    return (image[chosen] - warped.detach()[chosen]).square().mean()


@wrong("temporal_loss", expects="summed")
def a_sum(image, warped, mask):
    return (mask * (image - warped.detach()) ** 2).sum()


@wrong("temporal_loss", expects="divided-by-pixels")
def over_pixels(image, warped, mask):
    square = mask * (image - warped.detach()) ** 2
    return square.sum() / (len(image) * image.shape[-1] * image.shape[-2])


@wrong("temporal_loss", expects="mask-squared")
def masked_difference(image, warped, mask):
    return ((mask * (image - warped.detach())) ** 2).mean()


@wrong("temporal_loss", expects="mask-squared")
def mse_of_masked(image, warped, mask):
    return F.mse_loss(mask * image, mask * warped.detach())


@wrong("temporal_loss", expects="mask-on-one-side")
def only_the_image_masked(image, warped, mask):
    return F.mse_loss(mask * image, warped.detach())


@wrong("temporal_loss", expects="mask-on-one-side")
def only_the_target_masked(image, warped, mask):
    return F.mse_loss(image, mask * warped.detach())


@wrong("temporal_loss", expects="not-squared")
def absolute_differences(image, warped, mask):
    return (mask * (image - warped.detach()).abs()).mean()


@wrong("temporal_loss", expects="not-squared")
def signed_differences(image, warped, mask):
    return (mask * (image - warped.detach())).mean()


@wrong("temporal_loss", expects="root-taken")
def root_of_the_mean(image, warped, mask):
    return masked_mean(image, warped, mask).sqrt()


@wrong("temporal_loss", expects="difference-of-means")
def means_compared(image, warped, mask):
    return ((mask * image).mean() - (mask * warped.detach()).mean()) ** 2


@wrong("temporal_loss", expects="one-for-each-image")
def a_loss_for_each(image, warped, mask):
    return (mask * (image - warped.detach()) ** 2).flatten(1).mean(1)


@wrong("temporal_loss", expects="not-reduced")
def a_loss_for_each_number(image, warped, mask):
    return mask * (image - warped.detach()) ** 2


@wrong("temporal_loss", expects="wrong-factor")
def with_a_half(image, warped, mask):
    return 0.5 * masked_mean(image, warped, mask)


@wrong("temporal_loss", expects="gradient-cut")
def everything_detached(image, warped, mask):
    return masked_mean(image.detach(), warped, mask)


@wrong("temporal_loss", expects="gradient-to-the-past")
def both_can_move(image, warped, mask):
    return (mask * (image - warped) ** 2).mean()


@wrong("temporal_loss", expects="gradient-to-the-past")
def cloned_only(image, warped, mask):
    return (mask * (image - warped.clone()) ** 2).mean()


@wrong("temporal_loss", expects="gradient-cut")
def the_wrong_one_detached(image, warped, mask):
    return (mask * (image.detach() - warped) ** 2).mean()


@wrong("temporal_loss", expects="changed-input")
def detached_in_place(image, warped, mask):
    warped.requires_grad_(False)
    warped.detach_()
    return (mask * (image - warped) ** 2).mean()


# flicker


def of_pair(old, new, flow, mask):
    square = mask * (new - by_grid_sample(old, flow)) ** 2
    return square.mean() / mask.mean()


def for_pairs(function, frames, flows, masks):
    return torch.stack(
        [function(frames[t], frames[t + 1], flows[t], masks[t]) for t in range(len(flows))]
    )


@right("flicker")
def mean_over_share(frames, flows, masks):
    return for_pairs(of_pair, frames, flows, masks)


@right("flicker")
def by_a_boolean_mask(frames, flows, masks):
    numbers = []
    for t in range(1, len(frames)):
        difference = frames[t] - four_neighbours(frames[t - 1], flows[t - 1])
        seen = masks[t - 1].bool().expand_as(difference)
        numbers.append(difference[seen].square().mean())
    return torch.stack(numbers)


@right("flicker")
def all_pairs_at_once(frames, flows, masks):
    clip, flow, mask = torch.cat(frames), torch.cat(flows), torch.cat(masks)
    square = (mask * (clip[1:] - by_grid_sample(clip[:-1], flow)) ** 2).sum((1, 2, 3))
    return square / (clip.shape[1] * mask.sum((1, 2, 3)))


@right("flicker")
class IntoATensor(nn.Module):
    def forward(self, frames, flows, masks):
        numbers = torch.zeros(len(flows), dtype=frames[0].dtype)
        previous = frames[0]
        for t, frame in enumerate(frames[1:]):
            mask = masks[t].expand_as(frame)
            error = (frame - as_in_the_chapter(previous, flows[t])) ** 2
            numbers[t] = (mask * error).sum() / mask.sum()
            previous = frame
        return numbers


@right("flicker")
def a_list_of_numbers_at_first(frames, flows, masks):
    numbers = []
    for old, new, flow, mask in zip(frames, frames[1:], flows, masks, strict=False):
        numbers.append(of_pair(old, new, flow, mask).item())
    return torch.tensor(numbers)


@wrong("flicker", expects="not-warped")
def without_warping(frames, flows, masks):
    return for_pairs(lambda o, n, u, m: (m * (n - o) ** 2).mean() / m.mean(), frames, flows, masks)


@wrong("flicker", expects="new-frame-warped")
def the_new_one_warped(frames, flows, masks):
    return for_pairs(lambda o, n, u, m: of_pair(n, o, u, m), frames, flows, masks)


@wrong("flicker", expects="wrong-sign")
def against_the_flow(frames, flows, masks):
    return for_pairs(lambda o, n, u, m: of_pair(o, n, -u, m), frames, flows, masks)


@wrong("flicker", expects="mask-forgotten")
def all_pixels(frames, flows, masks):
    return for_pairs(lambda o, n, u, m: F.mse_loss(n, by_grid_sample(o, u)), frames, flows, masks)


@wrong("flicker", expects="mask-reversed")
def of_hidden_pixels(frames, flows, masks):
    return for_pairs(lambda o, n, u, m: of_pair(o, n, u, 1 - m), frames, flows, masks)


@wrong("flicker", expects="share-forgotten")
def the_temporal_loss(frames, flows, masks):
    return for_pairs(
        lambda o, n, u, m: masked_mean(n, by_grid_sample(o, u), m), frames, flows, masks
    )


@wrong("flicker", expects="one-share-for-all")
def one_share(frames, flows, masks):
    share = torch.cat(masks).mean()
    return the_temporal_loss(frames, flows, masks) / share


@wrong("flicker", expects="channels-forgotten")
def over_pixels_alone(frames, flows, masks):
    return for_pairs(
        lambda o, n, u, m: (m * (n - by_grid_sample(o, u)) ** 2).sum() / m.sum(),
        frames, flows, masks,
    )  # fmt: skip


@wrong("flicker", expects="summed")
def sums(frames, flows, masks):
    return for_pairs(
        lambda o, n, u, m: (m * (n - by_grid_sample(o, u)) ** 2).sum(), frames, flows, masks
    )


@wrong("flicker", expects="one-number")
def mean_of_the_clip(frames, flows, masks):
    return mean_over_share(frames, flows, masks).mean()


@wrong("flicker", expects="one-number")
def sum_of_the_clip(frames, flows, masks):
    total = 0
    for value in mean_over_share(frames, flows, masks):
        total = total + value
    return total


@wrong("flicker", expects="root-taken")
def root_mean_square(frames, flows, masks):
    return mean_over_share(frames, flows, masks).sqrt()


@wrong("flicker", expects="not-squared")
def mean_absolute(frames, flows, masks):
    return for_pairs(
        lambda o, n, u, m: (m * (n - by_grid_sample(o, u)).abs()).mean() / m.mean(),
        frames, flows, masks,
    )  # fmt: skip


@wrong("flicker", expects="against-the-first")
def first_frame_every_time(frames, flows, masks):
    return torch.stack(
        [of_pair(frames[0], frames[t + 1], flows[t], masks[t]) for t in range(len(flows))]
    )


@wrong("flicker", expects="first-frame-counted")
def a_number_for_each_frame(frames, flows, masks):
    rest = mean_over_share(frames, flows, masks)
    return torch.cat([rest.new_zeros(1), rest])


@wrong("flicker", expects="backwards")
def from_the_end(frames, flows, masks):
    return torch.stack(
        [of_pair(frames[t], frames[t + 1], flows[t], masks[t]) for t in range(len(flows))][::-1]
    )


@wrong("flicker", expects="not-a-tensor")
def a_list(frames, flows, masks):
    return mean_over_share(frames, flows, masks).tolist()


@wrong("flicker", expects="wrong-shape")
def last_pair_forgotten(frames, flows, masks):
    return mean_over_share(frames, flows, masks)[:-1]


# paint_in_turn


@right("paint_in_turn")
def frame_after_frame(frames, flows, masks, goals, weight, settle):
    clip = [settle(goals[0], frames[0])]
    for t in range(1, len(frames)):
        expected = by_grid_sample(clip[-1], flows[t - 1])
        mask = masks[t - 1]

        def loss(image, t=t, expected=expected, mask=mask):
            return goals[t](image) + weight * masked_mean(image, expected, mask)

        clip.append(settle(loss, torch.where(mask > 0, expected, frames[t])))
    return clip


@right("paint_in_turn")
def mixed_and_held_to_the_start(frames, flows, masks, goals, weight, settle):
    """Where the mask is 1 the start *is* the warped painting; elsewhere it does not count."""
    clip, previous = [], None
    for t, (frame, goal) in enumerate(zip(frames, goals, strict=True)):
        if previous is None:
            previous = settle(goal, frame)
        else:
            mask = masks[t - 1]
            start = mask * by_grid_sample(previous, flows[t - 1]) + (1 - mask) * frame
            previous = settle(
                lambda x, goal=goal, start=start, mask=mask: (
                    goal(x) + weight * masked_mean(x, start, mask)
                ),
                start,
            )
        clip.append(previous)
    return clip


@right("paint_in_turn")
def recursive(frames, flows, masks, goals, weight, settle):
    *before, frame = frames
    if not before:
        return [settle(goals[0], frame)]
    clip = recursive(before, flows[:-1], masks[:-1], goals[:-1], weight, settle)
    expected = as_in_the_chapter(clip[-1], flows[-1])
    start = expected.clone()
    hidden = (masks[-1] == 0).expand_as(start)
    start[hidden] = frame[hidden]

    def loss(image):
        return weight * masked_mean(image, expected, masks[-1]) + goals[-1](image)

    return [*clip, settle(loss, start)]


def in_turn(frames, flows, masks, goals, weight, settle, *, start=None, loss=None, expect=None):
    """The right way, with one part replaced."""
    clip = [settle(goals[0], frames[0])]
    for t in range(1, len(frames)):
        expected = expect(clip, t) if expect else by_grid_sample(clip[-1], flows[t - 1])
        mask = masks[t - 1]
        begin = torch.where(mask > 0, expected, frames[t])
        if start:
            begin = start(expected, frames[t], mask)

        def total(image, t=t, expected=expected, mask=mask):
            held = masked_mean(image, expected, mask)
            if loss:
                return loss(image, t, expected, mask)
            return goals[t](image) + weight * held

        clip.append(settle(total, begin))
    return clip


@wrong("paint_in_turn", expects="on-its-own")
def each_alone(frames, flows, masks, goals, weight, settle):
    return [settle(goals[t], frames[t]) for t in range(len(frames))]


@wrong("paint_in_turn", expects="temporal-loss-missing")
def warped_start_only(frames, flows, masks, goals, weight, settle):
    clip = [settle(goals[0], frames[0])]
    for t in range(1, len(frames)):
        expected = by_grid_sample(clip[-1], flows[t - 1])
        clip.append(settle(goals[t], torch.where(masks[t - 1] > 0, expected, frames[t])))
    return clip


@wrong("paint_in_turn", expects="goal-missing")
def only_steady(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        loss=lambda x, t, e, m: weight * masked_mean(x, e, m),
    )  # fmt: skip


@wrong("paint_in_turn", expects="frame-taken-for-constant")
def arguments_exchanged(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        loss=lambda x, t, e, m: goals[t](x) + weight * (m * (e - x.detach()) ** 2).mean(),
    )  # fmt: skip


@wrong("paint_in_turn", expects="weight-ignored")
def no_weight(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, goals, 1, settle)


@wrong("paint_in_turn", expects="starts-from-the-photo")
def photo_as_start(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, goals, weight, settle, start=lambda e, frame, m: frame)


@wrong("paint_in_turn", expects="ghosts-in-the-start")
def ghosts(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, goals, weight, settle, start=lambda e, frame, m: e)


@wrong("paint_in_turn", expects="start-reversed")
def where_the_other_way_round(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        start=lambda e, frame, m: torch.where(m > 0, frame, e),
    )  # fmt: skip


@wrong("paint_in_turn", expects="mask-missing-in-the-loss")
def every_pixel_held(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        loss=lambda x, t, e, m: goals[t](x) + weight * F.mse_loss(x, e),
    )  # fmt: skip


@wrong("paint_in_turn", expects="mask-missing")
def no_mask(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, [torch.ones_like(m) for m in masks], goals, weight, settle)


@wrong("paint_in_turn", expects="not-warped")
def previous_as_it_was(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, goals, weight, settle, expect=lambda clip, t: clip[t - 1])


@wrong("paint_in_turn", expects="photo-warped")
def the_photo_warped(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        expect=lambda clip, t: by_grid_sample(frames[t - 1], flows[t - 1]),
    )  # fmt: skip


@wrong("paint_in_turn", expects="always-the-first")
def previous_never_replaced(frames, flows, masks, goals, weight, settle):
    return in_turn(
        frames, flows, masks, goals, weight, settle,
        expect=lambda clip, t: by_grid_sample(clip[0], flows[t - 1]),
    )  # fmt: skip


@wrong("paint_in_turn", expects="flow-of-the-next-pair")
def index_off_by_one(frames, flows, masks, goals, weight, settle):
    clip = [settle(goals[0], frames[0])]
    for t in range(1, len(frames)):
        later = min(t, len(flows) - 1)
        expected, mask = by_grid_sample(clip[-1], flows[later]), masks[later]

        def loss(image, t=t, expected=expected, mask=mask):
            return goals[t](image) + weight * masked_mean(image, expected, mask)

        clip.append(settle(loss, torch.where(mask > 0, expected, frames[t])))
    return clip


@wrong("paint_in_turn", expects="goal-of-another-frame")
def goal_of_the_previous(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, [goals[0], *goals[:-1]], weight, settle)


@wrong("paint_in_turn", expects="goal-of-another-frame")
def first_goal_for_all(frames, flows, masks, goals, weight, settle):
    return in_turn(frames, flows, masks, [goals[0]] * len(goals), weight, settle)


@wrong("paint_in_turn", expects="not-settled-once")
def begins_with_a_photo(frames, flows, masks, goals, weight, settle):
    clip = [frames[0]]
    for t in range(1, len(frames)):
        expected, mask = by_grid_sample(clip[-1], flows[t - 1]), masks[t - 1]

        def loss(image, t=t, expected=expected, mask=mask):
            return goals[t](image) + weight * masked_mean(image, expected, mask)

        clip.append(settle(loss, torch.where(mask > 0, expected, frames[t])))
    return clip


@wrong("paint_in_turn", expects="not-settled-once")
def alone_and_then_in_turn(frames, flows, masks, goals, weight, settle):
    alone = [settle(goal, frame) for goal, frame in zip(goals, frames, strict=True)]
    return frame_after_frame(alone, flows, masks, goals, weight, settle)


@wrong("paint_in_turn", expects="frames-missing")
def without_the_first(frames, flows, masks, goals, weight, settle):
    return frame_after_frame(frames, flows, masks, goals, weight, settle)[1:]


@wrong("paint_in_turn", expects="not-a-clip")
def only_the_last(frames, flows, masks, goals, weight, settle):
    return frame_after_frame(frames, flows, masks, goals, weight, settle)[-1]


@wrong("paint_in_turn", expects="returns-nothing")
def no_return(frames, flows, masks, goals, weight, settle):
    frame_after_frame(frames, flows, masks, goals, weight, settle)


@wrong("paint_in_turn", expects="changed-input")
def photos_overwritten(frames, flows, masks, goals, weight, settle):
    for t in range(1, len(frames)):
        frames[t] = torch.where(masks[t - 1] > 0, frames[t - 1], frames[t])
    return frame_after_frame(frames, flows, masks, goals, weight, settle)


# slowest

right("ex11.slowest")(0.71)
right("ex11.slowest")((0.5 / 0.99) ** 0.5)
right("ex11.slowest")(0.72)
right("ex11.slowest")(torch.tensor(0.7107))
wrong("ex11.slowest", expects="root-forgotten")(0.5)
wrong("ex11.slowest", expects="too-low")(0.25)
wrong("ex11.slowest", expects="too-low")(0.7)
wrong("ex11.slowest", expects="too-low")((0.5 / 1.01) ** 0.5)
wrong("ex11.slowest", expects="too-high")(1)
wrong("ex11.slowest", expects="too-high")(2**0.5)
wrong("ex11.slowest", expects="not-a-speed")(-0.71)
wrong("ex11.slowest", expects="not-a-speed")(float("nan"))
wrong("ex11.slowest", expects="not-a-number")("0.71 pixels")

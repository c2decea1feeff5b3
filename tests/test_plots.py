"""The figures: the right pictures at the right places, under the right titles."""

from __future__ import annotations

import dataclasses
import math

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from nst_teach import Record, Result, plots

mpl.use("Agg")


def picture(level: float = 0.5, height: int = 20, width: int = 30) -> torch.Tensor:
    return torch.full((1, 3, height, width), level)


def record(evaluation: int, total: float = 1.0, content: float = 1.0, style: float = 1.0) -> Record:
    return Record(
        step=evaluation // 2,
        evaluations=evaluation,
        seconds=evaluation / 10,
        total=total,
        content={"relu2_1": content},
        style={"relu1_1": style, "relu2_2": 2 * style},
        total_variation=0.0,
    )


@pytest.fixture
def history() -> list[Record]:
    """Eight evaluations in which every part falls by half each time; the content starts at 0."""
    falling = [record(i, *[10 * 0.5**i] * 3) for i in range(2, 9)]
    return [record(1, total=10.0, content=0.0, style=10.0), *falling]


@pytest.fixture
def run(history) -> Result:
    return Result(
        picture(0.2), history, steps=4, content=picture(0.4), style=picture(0.6, height=30)
    )


@pytest.fixture(autouse=True)
def no_open_figure():
    """A figure that stays open would be shown twice in a notebook, and fill the memory."""
    plt.close("all")  # those of other tests in this process
    yield
    left_open = plt.get_fignums()
    plt.close("all")
    assert left_open == []


def titles(figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes]


def shown(ax) -> np.ndarray:
    """The pixels that one place of a figure shows."""
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


def drawn(figure) -> None:
    """Lay the figure out for real, which finds what merely building it does not."""
    figure.canvas.draw()


# --- pictures ------------------------------------------------------------------------------------


def test_pictures_stand_in_a_row_under_their_titles():
    figure = plots.images([picture(0.0), picture(0.2), picture(1.0)], ["a", "b", "c"])
    drawn(figure)
    assert titles(figure) == ["a", "b", "c"]
    assert [shown(ax)[0, 0, 0] for ax in figure.axes] == [0, 51, 255]


def test_a_mapping_gives_the_titles():
    assert titles(plots.images({"content": picture(), "style": picture()})) == ["content", "style"]


def test_titles_may_be_left_out():
    assert titles(plots.images([picture(), picture()])) == ["", ""]


def test_pictures_break_into_rows():
    """Five in rows of two: three rows, and one place that stays empty."""
    figure = plots.images([picture()] * 5, columns=2)
    drawn(figure)
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (3, 2)
    assert [len(ax.get_images()) for ax in figure.axes] == [1, 1, 1, 1, 1, 0]
    assert not figure.axes[-1].axison


@pytest.mark.parametrize("form", [lambda p: p, lambda p: p[0]], ids=["(1, 3, H, W)", "(3, H, W)"])
def test_a_picture_is_shown_as_it_is(form):
    """8-bit RGB, rows downwards, no scaling of the values to the full range."""
    image = picture(0.2)
    image[..., 0, 0] = 0.4
    pixels = shown(plots.images([form(image)]).axes[0])
    assert pixels.shape == (20, 30, 3)
    assert pixels[0, 0].tolist() == [102] * 3
    assert pixels[19, 29].tolist() == [51] * 3


def test_a_contact_sheet_is_labelled_along_its_edges():
    sheet = [[picture(0.0), picture(0.2), None], [None, picture(0.4), picture(1.0)]]
    figure = plots.contact_sheet(sheet, rows=["low", "high"], columns=["a", "b", "c"])
    drawn(figure)
    assert titles(figure) == ["a", "b", "c", "", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["low", "", "", "high", "", ""]
    assert [len(ax.get_images()) for ax in figure.axes] == [1, 1, 0, 0, 1, 1]
    assert shown(figure.axes[4])[0, 0, 0] == 102


# --- features and Gram matrices ------------------------------------------------------------------


def test_feature_maps_show_one_channel_each():
    features = torch.arange(6.0).view(1, 6, 1, 1) + torch.rand(1, 6, 4, 5) / 2
    figure = plots.feature_maps(features, columns=4, rows=2, title="relu1_1")
    drawn(figure)
    assert figure.get_suptitle() == "relu1_1"
    assert len(figure.axes) == 8
    for channel, ax in enumerate(figure.axes[:6]):
        assert np.array_equal(shown(ax), features[0, channel].numpy())
    assert [len(ax.get_images()) for ax in figure.axes[6:]] == [0, 0]


def test_feature_maps_are_each_scaled_to_their_own_range():
    features = torch.stack([torch.rand(4, 4), 100 * torch.rand(4, 4)])[None]
    figure = plots.feature_maps(features, columns=2, rows=1)
    for ax, channel in zip(figure.axes, features[0], strict=True):
        assert ax.get_images()[0].get_clim() == (channel.min().item(), channel.max().item())


def test_gram_matrices_are_shown_by_their_square_root_with_their_sign():
    """Before the ReLU a Gram matrix has negative entries."""
    matrix = torch.tensor([[[4.0, -9.0], [-9.0, 25.0]]])
    figure = plots.gram({"photo": matrix, "style": 4 * matrix})
    drawn(figure)
    assert titles(figure) == ["photo", "style"]
    assert shown(figure.axes[0]).tolist() == [[2, -3], [-3, 5]]
    assert shown(figure.axes[1]).tolist() == [[4, -6], [-6, 10]]
    assert len(plots.gram(matrix).axes) == 1


# --- loss curves ---------------------------------------------------------------------------------


def test_one_run_is_drawn_as_its_total_and_its_parts(history):
    figure = plots.losses(history)
    drawn(figure)
    total, parts = figure.axes
    assert total.get_yscale() == parts.get_yscale() == "log"
    (line,) = total.get_lines()
    assert list(line.get_xdata()) == [r.evaluations for r in history]
    assert list(line.get_ydata()) == [r.total for r in history]
    legend = [text.get_text() for text in parts.get_legend().get_texts()]
    assert legend == ["content relu2_1", "style relu1_1", "style relu2_2"]


def test_parts_are_relative_to_their_largest_value_and_leave_zeros_out(history):
    """A content start has a content loss of 0, of which there is no logarithm."""
    content, style, _ = plots.losses(history).axes[1].get_lines()
    assert math.isnan(content.get_ydata()[0])
    assert np.nanmax(content.get_ydata()) == 1
    assert list(style.get_ydata()) == [r.style["relu1_1"] / 10 for r in history]


def test_a_part_that_is_always_zero_is_drawn_as_nothing():
    history = [record(i, content=0.0) for i in range(1, 4)]
    figure = plots.losses(history)
    drawn(figure)
    assert np.isnan(figure.axes[1].get_lines()[0].get_ydata()).all()


def test_several_runs_share_one_plot_and_a_legend(history):
    figure = plots.losses({"adam": history, "lbfgs": history[:4]})
    drawn(figure)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["adam", "lbfgs"]
    assert [len(line.get_xdata()) for line in ax.get_lines()] == [8, 4]
    assert len({line.get_color() for line in ax.get_lines()}) == 2


@pytest.mark.parametrize(
    ("x", "label"), [("evaluations", "evaluations"), ("step", "steps"), ("seconds", "seconds")]
)
def test_the_horizontal_axis_is_the_one_asked_for(history, x, label):
    (ax,) = plots.losses(history, x=x, parts=False).axes
    assert ax.get_xlabel() == label
    assert list(ax.get_lines()[0].get_xdata()) == [getattr(r, x) for r in history]


def test_a_loss_that_was_not_finite_does_not_hide_the_others(history):
    """The last evaluation of a run that broke down."""
    figure = plots.losses([*history, record(9, math.nan, math.nan, math.nan)])
    drawn(figure)
    _, style, _ = figure.axes[1].get_lines()
    assert np.isfinite(style.get_ydata()[:8]).all()


def test_a_curve_breaks_where_another_objective_begins(history):
    """Their totals cannot be compared: no line joins them, and a dotted one parts them."""
    later = [dataclasses.replace(record(i, 1e6 / i), objective=1) for i in (9, 10, 11)]
    figure = plots.losses([*history, *later])
    drawn(figure)
    total, parts = figure.axes
    curve, mark = total.get_lines()
    xs, ys = (np.asarray(values) for values in curve.get_data())
    assert list(xs[~np.isnan(ys)]) == list(range(1, 12))
    assert xs[np.isnan(ys)] == [9]
    assert list(mark.get_xdata()) == [9, 9]
    assert mark.get_linestyle() == ":"
    assert len(parts.get_lines()) == 3 + 1


def test_a_layer_of_a_later_objective_has_a_curve_too(history):
    later = dataclasses.replace(record(9), style={"relu3_1": 4.0}, objective=1)
    figure = plots.losses([*history, later])
    drawn(figure)
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert legend == ["content relu2_1", "style relu1_1", "style relu2_2", "style relu3_1"]


@pytest.mark.parametrize("nothing", [[], {}, {"adam": []}], ids=str)
def test_curves_need_a_record(nothing):
    with pytest.raises(ValueError, match="a history without a record"):
        plots.losses(nothing)


# --- a result ------------------------------------------------------------------------------------


def test_a_result_shows_its_pictures_over_its_curves(run):
    figure = run.plot()
    drawn(figure)
    assert titles(figure) == [
        "content",
        "style",
        "result",
        "total loss",
        "each part, relative to its largest value",
    ]
    assert [shown(ax)[0, 0, 0] for ax in figure.axes[:3]] == [102, 153, 51]


def test_a_dot_marks_the_loss_of_the_result(run, history):
    """Of a run that was stopped, that is not the last point of the curve."""
    run.record = history[5]
    _, dot = run.plot().axes[3].get_lines()
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([6], [history[5].total])


def test_a_result_without_pictures_that_went_in_shows_what_came_out(history):
    """As `optimize` gives it, which knows only an objective."""
    assert titles(plots.result(Result(picture(), history)))[0] == "result"


@pytest.mark.filterwarnings("error", "ignore::DeprecationWarning")
def test_a_result_of_an_objective_without_layers_has_a_total_to_show():
    history = [Record(0, 1, 0.1, 5.0, {}, {}, 0.0), Record(1, 2, 0.2, 3.0, {}, {}, 0.0)]
    figure = plots.result(Result(picture(), history))
    drawn(figure)
    assert "total loss" in titles(figure)


def test_a_result_without_a_history_shows_its_pictures(run):
    """Of no steps, or interrupted before the first evaluation."""
    figure = plots.result(Result(run.image, [], content=run.content, style=run.style))
    drawn(figure)
    assert titles(figure) == ["content", "style", "result"]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_can_be_saved(run, tmp_path, ending):
    run.plot().savefig(tmp_path / f"a.{ending}")
    assert (tmp_path / f"a.{ending}").stat().st_size > 1000


def test_a_row_needs_a_title_for_each_picture_or_none():
    with pytest.raises(ValueError, match="1 titles for 2 pictures"):
        plots.images([picture(), picture()], ["one"])


def test_a_row_needs_a_picture():
    with pytest.raises(ValueError, match="no pictures"):
        plots.images([])

"""Arguments that are not what was expected: what is given, and which error says so.

Each message contains what was given, what was expected, and what to do. A property-based test gives
every keyword things that nobody would think of.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import re
import traceback
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nst_teach
from nst_teach import (
    RegionalObjective,
    Style,
    StyleObjective,
    TransferError,
    arguments,
    clips,
    estimate,
    feedforward,
    load_image,
    load_network,
    make_start,
    motion,
    optimize,
    studio,
    transfer,
    video,
)
from nst_teach.clips import Clip
from nst_teach.film import paint_clip
from nst_teach.optimizers import make_optimizer
from nst_teach.precision import choose_precision

NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def content():
    return load_image("chelsea", size=(16, 24))


@pytest.fixture(scope="module")
def style():
    return load_image("dots", size=(16, 16))


@pytest.fixture(scope="module")
def network():
    return load_network("petite")


@pytest.fixture
def run(content, style, network):
    """`transfer` with these settings, small and quick."""
    usual = {"network": network, "size": None, "steps": 1, "progress": False}
    return lambda **given: transfer(content, style, **usual | given)


# --- the checks themselves -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.5, 0.5),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(3), 3.0),
        (torch.tensor(0.5), 0.5),
    ],
)
def test_a_number_of_any_kind_is_a_weight(value, number):
    assert arguments.weight("alpha", value) == number
    assert type(arguments.weight("alpha", value)) is float


@pytest.mark.parametrize(
    "value",
    [-1, NAN, INF, -INF, 10**400, True, False, "1", None, [1], {}, 1j, Decimal(1), np.bool_(True),
     np.array([1.0]), torch.tensor([1.0]), torch.tensor(True), object],
    ids=repr,
)  # fmt: skip
def test_what_is_no_weight_is_refused(value):
    with pytest.raises(ValueError, match=r"^alpha=.* was given; expected a finite number"):
        arguments.weight("alpha", value)


@pytest.mark.parametrize("value", [-1, 6, 1.0, "1", True, None, NAN, np.float64(2), torch.ones(())])
def test_what_is_no_whole_number_of_the_range_is_refused(value):
    with pytest.raises(ValueError, match=r"^n=.* was given; expected a whole number, from 0 to 5"):
        arguments.whole("n", value, most=5)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert type(arguments.whole("n", np.int64(5))) is int


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("relu4-2", " Did you mean 'relu4_2'?"),
        ("ReLU4_2", " Did you mean 'relu4_2'?"),
        ("conv42", " Did you mean 'conv4_2'?"),
        ("xyz", ""),
        ("", ""),
        (None, ""),
        (3, ""),
    ],
)
def test_the_nearest_name_is_suggested(word, meant):
    assert arguments.meant(word, ("conv4_2", "relu4_2", "pool4")) == meant


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (torch.zeros(2, 3), "(Tensor of shape (2, 3))"),
        (np.zeros((4, 5)), "(ndarray of shape (4, 5))"),
        ("two\nlines", r"'two\nlines'"),
        ("x" * 1000, "'" + "x" * 79),
    ],
)
def test_a_wrong_value_is_shown_in_one_short_line(value, shown):
    assert arguments.shown(value) == shown


# --- what is given, and what is said -------------------------------------------------------------

LAYERS = "conv1_1, relu1_1"
REFUSED = [
    ({"content_layers": "relu4-2"}, "Did you mean 'relu4_2'?"),
    ({"style_layers": ["relu1_1", "Relu21"]}, "Did you mean 'relu2_1'?"),
    ({"style_layers": {"conv11": 1}}, "Did you mean 'conv1_1'?"),
    ({"style_layers": "zzz"}, f"no layer 'zzz'. Its layers are: {LAYERS}"),
    ({"style_layers": ["relu1_1", "relu1_1"]}, "relu1_1 is named twice; expected each layer once"),
    ({"style_layers": {}, "content_layers": []}, "leave nothing to lower"),
    ({"style_layers": 3}, "3 was given as layers; expected a name, such as 'relu4_2'"),
    ({"style_layers": [None]}, "[None] was given as layers"),
    ({"style_layers": {1: 1}}, "{1: 1} was given as layers"),
    ({"style_layers": [["relu1_1"]]}, "[['relu1_1']] was given as layers"),
    ({"style_layers": {"relu1_1": "1"}}, "relu1_1='1' was given; expected a finite number"),
    ({"style_layers": {"relu1_1": True}}, "relu1_1=True was given; expected a finite number"),
    ({"style_layers": {"relu1_1": NAN}}, "relu1_1=nan was given"),
    ({"style_layers": {"relu1_1": 0}}, "the weights of relu1_1 are all 0; expected one above 0"),
    ({"alpha": -1}, "alpha=-1 was given; expected a finite number, 0 or more"),
    ({"alpha": INF}, "alpha=inf was given"),
    ({"alpha": "1"}, "alpha='1' was given"),
    ({"alpha": True}, "alpha=True was given"),
    ({"alpha": None}, "alpha=None was given"),
    ({"beta": NAN}, "beta=nan was given"),
    ({"beta": [1]}, "beta=[1] was given"),
    ({"total_variation": "weak"}, "total_variation='weak' was given"),
    ({"alpha": 0, "beta": 0}, "leave nothing to lower"),
    ({"optimizer": "sgd"}, "unknown optimizer 'sgd'; choose one of lbfgs"),
    ({"optimizer": "LBFGS"}, "Did you mean 'lbfgs'?"),
    ({"optimizer": ["adam"]}, "unknown optimizer ['adam']"),
    ({"learning_rate": 0}, "learning_rate=0 was given; expected a number above 0"),
    ({"learning_rate": -1}, "learning_rate=-1 was given"),
    ({"learning_rate": NAN}, "learning_rate=nan was given"),
    ({"learning_rate": "fast"}, "learning_rate='fast' was given"),
    ({"learning_rate": 10**400}, "learning_rate=1000"),
    ({"steps": -1}, "steps=-1 was given; expected a whole number, 0 or more"),
    ({"steps": 1.5}, "steps=1.5 was given"),
    ({"steps": "10"}, "steps='10' was given"),
    ({"steps": None}, "steps=None was given"),
    ({"steps": True}, "steps=True was given"),
    ({"seed": -1}, "seed=-1 was given; expected a whole number, from 0 to"),
    ({"seed": 2**64}, f"seed={2**64} was given"),
    ({"seed": 0.5}, "seed=0.5 was given"),
    ({"seed": None}, "seed=None was given"),
    ({"callback": 3}, "callback=3 was given; expected a function, or None"),
    ({"checkpoint": 3}, "checkpoint=3 was given; expected the name of a file"),
    ({"checkpoint": b"run"}, "checkpoint=b'run' was given"),
    ({"checkpoint": "x" * 300}, "File name too long"),
    ({"checkpoint": "a\0b"}, "cannot write the checkpoint"),
    ({"precision": "half"}, "precision='half' was given; expected one of float32, bfloat16, auto"),
    ({"precision": "float16"}, "Did you mean 'bfloat16'?"),
    ({"precision": 16}, "precision=16 was given"),
    ({"memory": "lo"}, "memory='lo' was given; expected one of normal, low. Did you mean 'low'?"),
    ({"memory": None}, "memory=None was given"),
    ({"device": "gpu"}, "device 'gpu' cannot be used"),
    ({"device": 1.5}, "device=1.5 was given; expected 'cpu'"),
    ({"device": True}, "device=True was given"),
    ({"device": 10**30}, "cannot be used"),
    ({"network": "vgg"}, "unknown network 'vgg'; choose one of petite, vgg16"),
    ({"network": "Petit"}, "Did you mean 'petite'?"),
    ({"network": 3}, "network=int was given; expected a FeatureNetwork"),
    ({"start": "nosie"}, "Did you mean 'noise'?"),
    ({"start": 3}, "load_image got 3; expected a path"),
    ({"size": 0}, "size=0 was given; expected the longer side in pixels"),
    ({"size": -5}, "size=-5 was given"),
    ({"size": "256"}, "size='256' was given"),
    ({"size": (0, 5)}, "size=(0, 5) was given"),
    ({"size": 10**6}, "needs about"),
    ({"size": 1}, "is too small for"),
    ({"style_size": 3}, "is too small for"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"), REFUSED, ids=[str(given)[:60] for given, _ in REFUSED]
)
def test_what_transfer_refuses(run, given, message):
    with pytest.raises((ValueError, TransferError), match=re.escape(message)):
        run(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"optimizer": "sgd"}, "unknown optimizer"),
        ({"steps": -1}, "steps=-1"),
        ({"seed": -1}, "seed=-1"),
        ({"callback": 3}, "callback=3"),
    ],
)
def test_what_costs_nothing_to_check_is_checked_first(given, message):
    """Before a picture of any size is loaded, or the features of the targets are computed."""
    with pytest.raises(ValueError, match=message):
        transfer("nowhere.jpg", "nowhere.jpg", network="no such network", **given)


@pytest.mark.parametrize("wrong", [None, 3, "chelsea", np.zeros((1, 3, 8, 8)), [[1.0]]], ids=repr)
def test_what_is_no_image_is_refused_wherever_a_tensor_is_expected(wrong, content, network):
    calls = (
        lambda: StyleObjective(wrong, content, network),
        lambda: StyleObjective(content, wrong, network),
        lambda: RegionalObjective(wrong, [Style("dots")], network),
        lambda: make_start("noise", wrong, content),
        lambda: make_start("style", content, wrong),
        lambda: network(wrong, "relu1_1"),
        lambda: nst_teach.preprocess(wrong, "caffe"),
        lambda: nst_teach.content_loss(content, wrong),
        lambda: nst_teach.gram_matrix(wrong),
        lambda: nst_teach.total_variation(wrong),
        lambda: nst_teach.resize(wrong, 8),
        lambda: motion.estimate_flow(content, wrong),
        lambda: video.warp(wrong, content[:, :2]),
        lambda: video.warp(content, wrong),
        lambda: feedforward.load_fast("stained_glass")(wrong),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"got .*; expected a tensor"):
            call()


@pytest.mark.parametrize(
    "change", [lambda x: x.double(), lambda x: x.half(), lambda x: x.to("meta")]
)
def test_an_image_of_another_type_or_device_than_the_network_is_refused(change, content, network):
    with pytest.raises(ValueError, match=r"but petite computes with torch\.float32 on 'cpu'"):
        StyleObjective(change(content), content, network)


def test_a_start_without_values_is_refused(content, style, network):
    objective = StyleObjective(content, style, network)
    with pytest.raises(ValueError, match="whose values cannot be read"):
        optimize(objective, content.to("meta"), steps=1, progress=False)


@pytest.mark.parametrize("wrong", [None, 3, "petite", torch.nn.Linear(2, 2)], ids=repr)
def test_what_is_no_network_is_refused(wrong, content, style):
    with pytest.raises(ValueError, match="expected a FeatureNetwork"):
        StyleObjective(content, style, wrong)


def test_an_objective_that_returns_no_losses_is_refused(content):
    with pytest.raises(ValueError, match=r"the objective returned 1; expected Losses"):
        optimize(lambda image: 1, content, steps=1, progress=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load_network("petite", pooling="mean"), "unknown pooling 'mean'; choose 'max'"),
        (lambda: load_network("petite", pooling=[1]), "unknown pooling [1]"),
        (lambda: load_network("petite", convention="cafe"), "Did you mean 'caffe'?"),
        (lambda: load_network("petite", last_layer="relu31"), "Did you mean 'relu3_1'?"),
        (lambda: load_network("petite", device=[]), "device=[] was given"),
        (lambda: load_network(np.zeros(2)), "unknown network (ndarray of shape (2,))"),
        (lambda: feedforward.load_fast("stained_glas"), "Did you mean 'stained_glass'?"),
        (lambda: feedforward.load_fast(3), "there is no fast network for 3"),
        (lambda: feedforward.load_fast("stained_glass", device=1.5), "device=1.5 was given"),
        (lambda: feedforward.load_conditional(device="gpu"), "device 'gpu' cannot be used"),
        (lambda: feedforward.load_conditional().scales(3), "3 was given as a style"),
        (lambda: feedforward.load_conditional().scales({"x": "1"}), "no style 'x'"),
        (lambda: nst_teach.preprocess(torch.zeros(1, 3, 2, 2), "cafe"), "Did you mean 'caffe'?"),
        (lambda: choose_precision("fast"), "precision='fast' was given"),
        (lambda: make_optimizer("Adam", torch.zeros(1)), "Did you mean 'adam'?"),
        (lambda: estimate("chelsea", "dots", optimizer="sgd"), "unknown optimizer 'sgd'"),
        (lambda: estimate("chelsea", "dots", steps=0.5), "steps=0.5 was given"),
        (lambda: estimate("chelsea", "dots", network=3), "expected a FeatureNetwork"),
        (lambda: nst_teach.save_weights("n.pth", torch.nn.ReLU()), "expected a network"),
        (lambda: nst_teach.adapt_network("resnet", content_layers=[], style_layers=[]), "'resnet'"),
        (lambda: motion.estimate_flow(None, None, method="tvl2"), "Did you mean 'tvl1'?"),
        (lambda: list(paint_clip("a.mp4", "dots")), "got 'a.mp4'; expected a clip, from load_clip"),
        (lambda: clips.save_clip([], "a.gif"), "save_clip got []; expected a clip"),
        (lambda: clips.load_clip(".", fps="12"), "fps='12' was given; expected a number above 0"),
        (lambda: clips.load_clip(".", frames=2.5), "frames=2.5 was given; expected a whole number"),
        (lambda: studio(size=32, alpha="1"), "alpha='1' was given"),
        (lambda: studio(size=32, seed=-1), "seed=-1 was given"),
        (lambda: studio(size=32, steps=0), "steps=0 was given; expected a whole number, 1 or more"),
    ],
)  # fmt: skip
def test_what_other_functions_refuse(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


@pytest.mark.parametrize(
    ("styles", "message"),
    [
        (3, "none given as styles"),
        ([Style("dots", weight="1")], "style 1: weight='1' was given"),
        ([Style("dots", weight=True)], "style 1: weight=True was given"),
        ([Style("dots", weight=NAN)], "style 1: weight=nan was given"),
    ],
)
def test_what_is_no_list_of_styles_is_refused(styles, message, content, network):
    with pytest.raises(ValueError, match=re.escape(message)):
        RegionalObjective(content, styles, network)


# --- anything at all -----------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(max_value=3), st.floats(), st.booleans(), st.complex_numbers(), st.decimals()
)
WORDS = st.text(max_size=8) | st.binary(max_size=4) | st.sampled_from(["relu1_1", "adam", "low"])
SIMPLE = st.none() | NUMBERS | WORDS
JUNK = st.one_of(
    SIMPLE,
    st.lists(SIMPLE, max_size=3),
    st.tuples(SIMPLE, SIMPLE),
    st.dictionaries(WORDS | st.integers(0, 3), SIMPLE, max_size=2),
    st.sets(WORDS, max_size=2),
    st.sampled_from([object(), int, np.zeros(2), np.zeros(0), np.array("x"), np.float32(2)]),
    st.sampled_from([torch.zeros(2), torch.zeros(()), torch.full((1, 3, 16, 24), NAN), Ellipsis]),
)
KEYWORDS = sorted(set(inspect.signature(transfer).parameters) - {"progress", "callback"})
HERE = str(Path(nst_teach.__file__).parent)


def assert_ours(error: Exception) -> None:
    """It was raised on purpose by a line of the package, and says something."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    raised = "raise" in (last.line or "") or (last.line or "").strip() in ("", ")")
    assert last.filename.startswith(HERE), f"{type(error).__name__} from {last.filename}: {error}"
    assert raised, f"line {last.lineno} of {last.filename}: {error}"
    assert 10 < len(str(error)) < 1200, str(error)


@settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(keyword=st.sampled_from(KEYWORDS), value=JUNK)
def test_junk_is_accepted_or_refused_but_never_a_surprise(run_junk, keyword, value):
    try:
        run_junk(keyword, value)
    except (ValueError, TypeError, TransferError) as error:
        assert_ours(error)


@pytest.fixture(scope="module")
def run_junk(content, style, network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("junk")  # a text may be taken for the name of a checkpoint

    def call(keyword: str, value: object) -> None:
        usual = {"network": network, "size": (16, 16), "steps": 0, "progress": False}
        pictures = {"content": content, "style": style}
        with contextlib.chdir(folder):
            transfer(**pictures | usual | {keyword: value})

    return call


def test_an_error_from_deep_inside_would_be_noticed():
    with pytest.raises(TypeError) as deep:
        torch.nn.Linear(2, 2).to("nowhere", 3)
    with pytest.raises(AssertionError, match="torch"):
        assert_ours(deep.value)


def test_layers_may_be_read_only_once(run):
    """They are needed several times: to check the memory, and for the targets."""
    names = ["relu1_1", "relu2_1"]
    once, often = (run(style_layers=layers) for layers in ((n for n in names), names))
    assert once.loss == often.loss
    assert once.settings["style_layers"] == {"relu1_1": 0.5, "relu2_1": 0.5}


def test_layers_of_a_film_may_be_read_only_once(content, style, network):
    """They are needed for each frame."""
    given = {"network": network, "steps": 1, "first_steps": 1, "temporal": 0, "progress": False}
    once, often = (
        list(paint_clip(Clip([content] * 2, 5), style, style_layers=layers, **given))
        for layers in ((n for n in ["relu1_1"]), ["relu1_1"])
    )
    assert torch.equal(once[1], often[1])

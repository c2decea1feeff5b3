"""The lab in the pages: its graph against autograd, its JavaScript, and all of it in a browser."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import assets
import lab
import lab_graph
import labs
import onnx
import pages
import pytest
import torch
from conftest import ROOT
from onnx import numpy_helper

from nst_teach import StyleObjective, load_network, optimize, samples, transfer
from nst_teach.interactive import curves
from nst_teach.interactive.engine import Mark, Point

STATIC = labs.STATIC
STUDIO = json.loads((ROOT / "nst_teach" / "studio_controls.json").read_text(encoding="utf-8"))
CHECKS = assets.CHECKS

PARITY = 1e-4  # relative
MOST_BYTES = 6e6  # to start, over the network

# ReLU's gradient jumps at 0, so two programs differ visibly where a value before it is rounding
# away from 0. Pictures are compared whose values all keep this distance, in standard deviations.
CLEARANCE = 2e-6


@pytest.fixture(scope="module")
def network():
    return load_network("petite")


@pytest.fixture(scope="module")
def graph(network):
    return lab_graph.Session(lab.GRAPH, network)


# The graph against autograd


def clearance(network, image) -> float:
    """How near the values before a ReLU come to 0, in their standard deviations."""
    layers = [name for name in network.layers if name.startswith("conv")]
    return min(float((f.abs() / f.std()).min()) for f in network(image, layers).values())


def clear_noise(network, size) -> torch.Tensor:
    """The first random picture that stays clear of ReLU's kinks."""
    for seed in range(100):
        image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))
        if clearance(network, image) > CLEARANCE:
            return image
    raise AssertionError("no random picture stays clear of the kinks")


def flat(network, size) -> torch.Tensor:
    """A picture of one colour."""
    image = torch.tensor([0.6, 0.45, 0.3]).view(1, 3, 1, 1).expand(1, 3, *size).contiguous()
    assert clearance(network, image) > CLEARANCE, "choose another colour"
    return image


WEIGHTINGS = {
    "as usual": {"content": {"relu4_2": 1.0}, "style": dict.fromkeys("12345", 0.2)},
    "texture": {"content": {"relu4_2": 1.0}, "style": dict.fromkeys("12345", 0.2), "alpha": 0.0},
    "content alone": {"content": {"relu1_1": 0.5, "relu5_1": 2.0}, "style": {}},
    "high layers, smooth": {
        "content": {"relu3_1": 0.1},
        "style": {"4": 0.7, "5": 0.1},
        "beta": 3e6,
        "total_variation": 50.0,
    },
}


def arguments(weighting: dict) -> dict:
    """A weighting as arguments of `StyleObjective`."""
    styles = {f"relu{block}_1": weight for block, weight in weighting["style"].items()}
    return {
        "content_layers": weighting["content"],
        "style_layers": styles,
        "alpha": weighting.get("alpha", 1.0),
        "beta": weighting.get("beta", 1e5),
        "total_variation": weighting.get("total_variation", 0.0),
    }


def dials(network, wish: dict) -> dict[str, torch.Tensor]:
    """The same as inputs of the graph."""
    contents = [wish["content_layers"].get(c, 0.0) for c in lab_graph.content_layers(network)]
    styles = [wish["style_layers"].get(s, 0.0) for s in network.style_layers]
    numbers = {name: torch.tensor(wish[name]) for name in ("alpha", "beta", "total_variation")}
    weights = {"content_weights": torch.tensor(contents), "style_weights": torch.tensor(styles)}
    return {**weights, **numbers}


def parity(graph, network, image, size, wish) -> dict[str, float]:
    """Relative differences between graph and autograd: total, parts, gradient."""
    generator = torch.Generator().manual_seed(99)
    content, style = torch.rand((2, 1, 3, *size), generator=generator)
    objective = StyleObjective(content, style, network, **wish)
    start = image.clone().requires_grad_(True)
    losses = objective(start)
    (gradient,) = torch.autograd.grad(losses.total, start)
    targets = graph.targets(content, style)
    found = graph({"image": image, **dials(network, wish), **targets})
    parts = {"total": (found["total"], losses.total), "gradient": (found["gradient"], gradient)}
    for kind, layers in (
        ("content", lab_graph.content_layers(network)),
        ("style", network.style_layers),
    ):
        for layer, loss in getattr(losses, kind).items():
            parts[f"{kind} {layer}"] = (found[f"{kind}_losses"][layers.index(layer)], loss)
    return {name: lab.relative(mine, theirs.detach()) for name, (mine, theirs) in parts.items()}


@pytest.mark.parametrize("size", [(32, 48), (64, 48)], ids=str)
@pytest.mark.parametrize("picture", [clear_noise, flat], ids=["random", "flat"])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_graph_agrees_with_autograd(weighting, picture, size, graph, network):
    wish = arguments(WEIGHTINGS[weighting])
    differences = parity(graph, network, picture(network, size), size, wish)
    assert {name: d for name, d in differences.items() if d > PARITY} == {}


def test_content_start_has_no_content_loss(graph, network):
    image = clear_noise(network, (32, 48))
    wish = dials(network, arguments(WEIGHTINGS["as usual"]))
    found = graph({"image": image, **wish, **graph.targets(image, image)})
    assert found["content_losses"].abs().max() < 1e-3  # sums of squares of rounding errors
    assert found["style_losses"].abs().max() < 1e-8


def spoilt(change) -> onnx.ModelProto:
    """The committed graph after `change`."""
    model = onnx.load(lab.GRAPH)
    change(model)
    return model


def lose_a_weight(model) -> None:
    """One filter of one convolution is a little off."""
    weight = next(w for w in model.graph.initializer if len(w.dims) == 4)
    values = numpy_helper.to_array(weight).copy()
    values[0, 0, 0, 0] += 0.05
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def forget_to_turn(model) -> None:
    """A backward convolution uses its kernel unturned: the mistake that is easiest to make."""
    produced = {output: node for node in model.graph.node for output in node.output}
    backward = [n for n in model.graph.node if n.op_type == "Conv" and len(n.input) == 2]
    turned = backward[-1].input[1]
    while produced[turned].op_type != "Transpose":
        turned = produced[turned].input[0]
    assert turned != backward[-1].input[1]
    backward[-1].input[1] = turned


@pytest.mark.parametrize("change", [lose_a_weight, forget_to_turn])
def test_a_wrong_graph_is_caught(change, network):
    wrong = spoilt(change)
    wish, size = arguments(WEIGHTINGS["as usual"]), (32, 48)
    session = lab_graph.Session(wrong, network)
    differences = parity(session, network, clear_noise(network, size), size, wish)
    assert max(differences.values()) > 10 * PARITY
    assert lab.difference(wrong, onnx.load(lab.GRAPH), network) > 10 * lab.SAME_OUTPUT


# What tools/lab.py makes


def test_committed_graph_is_what_the_course_computes_now(network):
    assert lab.stale_graph(network) == [], "run 'python tools/lab.py' and commit the result"


def test_committed_manifest_is_what_the_package_says_now(network):
    assert lab.stale_manifest(network) == [], "run 'python tools/lab.py' and commit the result"


def test_committed_pictures_show_the_samples():
    assert lab.stale_pictures() == [], "run 'python tools/lab.py' and commit the result"


def test_another_picture_is_noticed():
    one, other = (lab.picture_file(name).read_bytes() for name in samples.names("photo")[:2])
    assert lab.looks_the_same(one, one)
    assert not lab.looks_the_same(one, other)


def test_graph_names_no_folder_of_the_machine_that_made_it():
    assert not re.search(rb"site-packages|\.py\b|/home/|/root/", lab.GRAPH.read_bytes())


# JavaScript against Python, without a browser


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, the environment's or the machine's, or a skip that says what is missing."""
    try:
        npm = assets.npm()
    except (SystemExit, subprocess.CalledProcessError) as error:
        pytest.skip(f"no Node.js here, so the lab's JavaScript was not tested ({error})")
    return shutil.which("node", path=str(Path(npm).parent)) or shutil.which("node")


@pytest.fixture(scope="module")
def javascript(node):
    """A function that runs an expression over modules of the lab; JSON in, JSON out."""

    def run(modules: str, expression: str, **data):
        names = modules.split()
        files = [json.dumps((STATIC / "lab" / name).as_uri()) for name in names]
        script = (
            "".join(f"import * as m{i} from {file};" for i, file in enumerate(files))
            + f"const m = {{{', '.join(f'...m{i}' for i in range(len(files)))}}};"
            f"const d = {json.dumps(data)};"
            f"console.log(JSON.stringify((() => {{ {expression} }})()));"
        )
        command = [node, "--input-type=module"]  # from its input: command lines have limits
        done = subprocess.run(
            command, input=script, capture_output=True, text=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_unit_tests_in_javascript(node):
    tests = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    assert tests
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_adam_is_torchs(javascript):
    generator = torch.Generator().manual_seed(0)
    start = torch.rand(50, generator=generator) * 0.6 + 0.2  # steps must not reach 0 or 1
    gradients = torch.randn((12, 50), generator=generator) * torch.logspace(-6, 4, 50)
    rates = [0.01] * 8 + [0.002] * 4  # moved during the run
    image = start.clone().requires_grad_(True)
    adam = torch.optim.Adam([image])
    for gradient, rate in zip(gradients, rates, strict=True):
        image.grad, adam.param_groups[0]["lr"] = gradient, rate
        adam.step()
    code = """const image = Float32Array.from(d.start), adam = new m.Adam(image.length);
    d.gradients.forEach((g, i) => adam.step(image, Float32Array.from(g), d.rates[i]));
    return [...image];"""
    data = {"start": start.tolist(), "gradients": gradients.tolist(), "rates": rates}
    found = javascript("adam.mjs", code, **data)
    torch.testing.assert_close(torch.tensor(found), image.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2026, 2**32 - 1])
def test_a_seed_means_the_same_noise_as_in_torch(seed, javascript):
    count = 2000  # more than the generator makes in one go
    expected = torch.rand(count, generator=torch.Generator().manual_seed(seed)).tolist()
    found = javascript("noise.mjs", "return [...m.rand(d.count, d.seed)];", count=count, seed=seed)
    assert found == expected


def test_curves_are_the_studios(javascript):
    steps = range(0, 45, 3)
    parts = {"content relu4_2": 2e4, "style relu1_1": 7e5, "style relu3_1": 9.0}
    points = [
        Point(s, 3e6 / (s + 1), {name: value / (s + 2) for name, value in parts.items()}, 0)
        for s in steps
    ]
    marks = [Mark(9, "log β/α 6.0"), Mark(30, "layers relu1_1 0")]
    code = "const run = m.History.computed(d.run); return m.svg(run.points, d.words, run);"
    run, words = curves.as_json(points, marks), STUDIO["curves"]
    found = javascript("history.mjs curve.mjs", code, run=run, words=words)
    lines = re.compile(
        r'<path (?:data-line="[^"]*" )?d="(M[^"]*)" fill="none" stroke="([^"]*)"'
        r'(?: stroke-width="([^"]*)" stroke-linejoin="round" stroke-dasharray="([^"]*)")?'
    )
    expected = curves.svg(points, marks)
    assert set(lines.findall(found)) == set(lines.findall(expected)) != set()


def test_code_that_is_offered_is_a_call_of_transfer(javascript):
    manifest = {**json.loads(lab.MANIFEST.read_text(encoding="utf-8")), "words": STUDIO}
    code = """const settings = m.readSettings(d.attributes, d.manifest);
    const run = {steps: 40, marks: [{step: 3, text: "log β/α 5"}], picture: JSON.stringify};
    return m.transferCall({...settings, beta: 1000}, run);"""
    attributes = {"content": "coffee", "style": "dots", "styleLayers": "relu1_1:0.5 relu2_1:0"}
    text = javascript("settings.mjs", code, attributes=attributes, manifest=manifest)
    call = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Call))
    given = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    inspect.signature(transfer).bind("coffee", "dots", **given)  # it knows every name
    assert [ast.literal_eval(a) for a in call.args] == ["coffee", "dots"]
    assert given["style_layers"] == {"relu1_1": 0.5}
    assert (given["beta"], given["optimizer"], given["steps"]) == (1000, "adam", 40)
    assert "#   step 3: log β/α 5" in text


@pytest.fixture(scope="module")
def checkers() -> Path:
    """The folder of the programs that read JavaScript for mistakes."""
    return assets.fetch_checks() / ".bin"


@pytest.mark.parametrize(
    ("program", "arguments"),
    {
        "tsc": ["--project", "tsconfig.json"],
        "eslint": ["--config", "eslint.config.mjs", "--max-warnings", "0", "lab", "js"],
    }.items(),
)
def test_javascript_is_typed_and_clean(program, arguments, checkers, node, tmp_path):
    for name in ("tsconfig.json", "eslint.config.mjs", "package.json"):
        text = (CHECKS / name).read_text("utf-8").replace("../../../book/_static/lab", "lab")
        (tmp_path / name).write_text(text, "utf-8")
    try:
        (tmp_path / "node_modules").symlink_to(CHECKS / "node_modules")
    except OSError:  # Windows lets only some users make links
        shutil.copytree(CHECKS / "node_modules", tmp_path / "node_modules")
    shutil.copytree(STATIC / "lab", tmp_path / "lab", ignore=shutil.ignore_patterns("*.onnx"))
    shutil.copytree(ROOT / "tests" / "js", tmp_path / "js")
    path = os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        [shutil.which(program, path=checkers), *arguments],
        cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# In a browser


@contextlib.contextmanager
def opened(browser, folder, *figures, screen="desk", **options):
    """A page with labs; gives its tab, what went wrong on it so far, and the bytes sent."""
    assets.install()
    page = labs.write_page(folder, STATIC, *figures)
    width, height = pages.SCREENS[screen]
    with labs.counting(folder) as (address, sent):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        with contextlib.closing(context):
            tab = context.new_page()
            watch = pages.Watch(tab, address)
            tab.goto(address + page)
            yield tab, watch, sent


def test_nothing_heavy_before_start_and_six_megabytes_after(browser, tmp_path):
    with opened(browser, tmp_path, {"controls": "ratio"}) as (tab, watch, sent):
        reader = labs.Reader(tab)
        tab.wait_for_load_state("networkidle")
        before = sum(sent.values())
        reader.press("Start")
        reader.reach(2)
        assert watch.faults == []
    assert before < 2e5
    assert sum(sent.values()) < MOST_BYTES
    assert any(path.endswith(".onnx") for path in sent), "the count has seen the graph"
    assert any(path.endswith(".wasm.gz") for path in sent), "... and the runtime"


def test_loss_falls_by_half_and_the_curve_answers_to_the_dials(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, watch, _):
        reader = labs.Reader(tab)
        reader.press("Start")
        reader.reach(60)
        totals = reader.totals
        assert totals[59] < totals[0] / 2
        reader.turn("ratio", reader.ask("Math.log10(lab.resolved().beta)") + 1)
        reader.go_on()
        at = reader.ask("lab.past.marks[0].step")
        before, after = reader.ask(f"lab.past.points.slice({at - 1}, {at + 1})")
        styles = [sum(point["losses"]["style"].values()) for point in (before, after)]
        assert 5 < styles[1] / styles[0] < 15  # ten times the weight, one step further
        reader.turn("layers", 0, index=0)
        reader.go_on()
        assert "relu1_1" not in reader.ask("lab.past.points.at(-1).losses.style")
        reader.press("Pause")
        reader.become("paused")
        assert [re.sub(r"[\d.]+$", "…", text) for text in reader.marks] == [
            "log β/α …", "layers relu1_1 …",
        ]  # fmt: skip
        assert watch.faults == []


COMPUTED = curves.as_json(
    [Point(step, 8e5 / 2**step, {"style relu1_1": 4e5 / 2**step}, 0) for step in range(5)],
    [Mark(2, "log β/α 6.0")],
)
"""What a cell that took four steps would have left in the page."""


def curve_shown(reader) -> list[str]:
    """The lines on the curve, as they are drawn."""
    drawn = reader.figure.locator(".nst-lab-curve path[data-line]")
    return drawn.evaluate_all("all => all.map(path => path.getAttribute('d'))")


def test_the_curve_that_the_cell_computed_is_there_before_start(browser, tmp_path):
    with opened(browser, tmp_path, {"curve": COMPUTED}) as (tab, watch, sent):
        reader = labs.Reader(tab)
        computed = curve_shown(reader)
        assert len(computed) == 2
        assert labs.texts_of(reader.marks) == ["log β/α 6.0"]
        assert reader.figure.get_by_role("img", name="At step 4 the total loss is 6 %").count() == 1
        assert "finished run of 4 steps" in reader.figure.inner_text()
        assert not any(path.endswith(".onnx") for path in sent)
        reader.turn("ratio", 5)  # moves the dial of the run to come, not the run that is over
        assert curve_shown(reader) == computed
        reader.press("Start")
        reader.reach(2)  # Start begins anew: the first point is the start's
        assert reader.ask("lab.past.points[0].step") == 0
        assert not set(curve_shown(reader)) & set(computed)
        assert reader.marks == []
        assert watch.faults == []


def test_the_curve_stays_while_the_network_loads(browser, tmp_path):
    with opened(browser, tmp_path, {"curve": COMPUTED}) as (tab, _, _):
        reader = labs.Reader(tab)
        tab.route("**/ort.wasm.gz", lambda _: None)  # for ever on its way
        computed = curve_shown(reader)
        reader.press("Start")
        reader.become("loading")
        assert curve_shown(reader) == computed != []


def test_without_steps_there_are_axes_and_no_curve(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, _, _):
        assert curve_shown(labs.Reader(tab)) == []


def test_pause_step_resume_reset_and_scrub(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, _, _):
        reader = labs.Reader(tab)
        reader.press("One step")
        reader.become("paused")
        assert reader.ask("lab.past.step") == 1
        reader.press("Resume")
        reader.reach(6)
        reader.press("Pause")
        reader.become("paused")
        stopped = reader.ask("lab.past.step")
        newest = pixels_shown(reader)
        reader.figure.get_by_role("slider", name="Frame").fill("0")
        first = pixels_shown(reader)
        assert first != newest
        assert reader.figure.locator("canvas").get_attribute("aria-label").endswith("at step 0.")
        assert reader.ask("lab.past.step") == stopped, "looking back does not change the run"
        reader.press("Reset")
        reader.become("ready")
        assert (reader.ask("lab.past.step"), reader.totals) == (0, [])
        assert pixels_shown(reader) == first


def pixels_shown(reader) -> list[int]:
    """The bytes on the canvas."""
    return reader.figure.locator("canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )


def test_a_finished_run_goes_on(browser, tmp_path):
    with opened(browser, tmp_path, {"steps": "3"}) as (tab, _, _):
        reader = labs.Reader(tab)
        reader.press("Start")
        reader.become("finished")
        assert reader.ask("lab.past.step") == 3
        reader.press("Go on")
        reader.reach(4)


def test_an_own_picture_is_used_and_goes_nowhere(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, watch, sent):
        reader = labs.Reader(tab)
        reader.press("Start")
        reader.reach(2)
        asked = dict(sent)
        upload = reader.figure.locator("[data-name=content] input[type=file]")
        upload.set_input_files(
            {"name": "me.png", "mimeType": "image/png", "buffer": labs.red_picture()}
        )
        reader.wait(f"{reader.script}.run === 2")  # another shape: started over
        reader.reach(2)
        goal = reader.ask("{height: lab.goal.content.height, red: lab.goal.content.pixels[0]}")
        assert goal == {"height": 96, "red": pytest.approx(labs.RED[0] / 255, abs=1e-2)}
        assert reader.figure.locator("[data-name=content] select").input_value() == "me.png"
        assert (watch.faults, sent) == ([], asked)


def test_a_file_that_is_no_picture_is_refused_in_words(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, watch, _):
        reader = labs.Reader(tab)
        upload = reader.figure.locator("[data-name=style] input[type=file]")
        file = {"name": "notes.txt", "mimeType": "image/png", "buffer": b"not a picture"}
        upload.set_input_files(file)
        note = reader.figure.get_by_role("alert")
        note.wait_for()
        assert "notes.txt" in note.inner_text()
        assert reader.ask("lab.settings.style") == "stained_glass"
        assert watch.faults == []


def picture_of(reader, expression: str) -> torch.Tensor:
    """A picture that the lab holds, as a tensor."""
    found = reader.ask(
        f"(({{height, width, pixels}}) => [height, width, [...pixels]])({expression})"
    )
    height, width, values = found
    return torch.tensor(values).view(1, 3, height, width)


def test_one_step_in_the_browser_is_pytorchs(browser, tmp_path, network):
    attributes = {"start": "noise", "seed": "5", "learning-rate": "0.05"}
    with opened(browser, tmp_path, attributes) as (tab, _, _):
        reader = labs.Reader(tab)
        reader.press("One step")
        reader.become("paused")
        content, style, start = (
            picture_of(reader, f"lab.goal.{name}") for name in ("content", "style", "start")
        )
        moved, total = picture_of(reader, "lab.picture"), reader.totals[0]
        wish = reader.ask("lab.resolved()")
    noise = torch.rand(content.shape, generator=torch.Generator().manual_seed(5))
    # The worker writes on its own copy, so `start` is still the start, and torch's own noise.
    assert torch.equal(start, noise)
    objective = StyleObjective(
        content, style, network,
        content_layers=wish["contentLayers"], style_layers=wish["styleLayers"],
        alpha=wish["alpha"], beta=wish["beta"],
    )  # fmt: skip
    result = optimize(objective, start, optimizer="adam", learning_rate=0.05, steps=1)
    assert total == pytest.approx(result.history[0].total, rel=PARITY)
    # Adam's first step is the rate times the gradient's sign. Where the gradient is all but zero
    # rounding decides the sign; everywhere else the pictures must agree. A ReLU at its kink (see
    # CLEARANCE) may move a few pixels more.
    leaf = start.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective(leaf).total, leaf)
    decided = gradient.abs() > 1e-3 * gradient.abs().max()
    same = (moved - result.image).abs() < 1e-5
    assert decided.float().mean() > 0.5
    assert same[decided].float().mean() > 0.999


def test_two_labs_of_a_page_take_turns(browser, tmp_path):
    with opened(browser, tmp_path, {}, {"alpha": "0", "start": "grey"}) as (tab, watch, _):
        first, second = labs.Reader(tab, 0), labs.Reader(tab, 1)
        first.press("Start")
        first.reach(2)
        second.press("Start")
        second.reach(2)
        assert first.ask("lab.state") == "paused"
        assert second.ask("lab.past.points[0].losses.content") == {}
        assert watch.faults == []


def test_it_works_with_the_keyboard_alone(browser, tmp_path):
    with opened(browser, tmp_path, {"controls": "ratio layers start"}) as (tab, _, _):
        reader = labs.Reader(tab)
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        reader.reach(1)
        ratio = reader.figure.get_by_label(re.compile("^Style against content"))
        place = float(ratio.input_value())
        ratio.press("ArrowRight")
        assert float(ratio.input_value()) == pytest.approx(place + 0.1, abs=0.06)
        assert reader.ask("lab.past.marks.length") == 1


def test_every_control_has_a_name_and_the_curve_a_description(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, _, _):
        reader = labs.Reader(tab)
        nameless = "e => !(e.labels?.length || e.ariaLabel || e.textContent.trim())"
        inputs = reader.figure.locator("input, select, button")
        assert inputs.count() > 15
        assert inputs.evaluate_all(f"all => all.filter({nameless}).map(e => e.outerHTML)") == []
        reader.press("One step")
        reader.become("paused")
        drawing = reader.figure.get_by_role("img", name=re.compile("% of its initial value"))
        assert drawing.count() == 1
        assert reader.figure.get_by_role("status").inner_text()


@pytest.mark.parametrize("screen", pages.SCREENS)
def test_it_fits_the_screen_also_with_the_code_shown(screen, browser, tmp_path):
    with opened(browser, tmp_path, screen=screen) as (tab, _, _):
        reader = labs.Reader(tab)
        reader.press("Show the code")
        assert "transfer(" in reader.figure.locator(".nst-lab-code code").inner_text()
        assert pages.faults_on_screen(tab) == []


# Where it cannot run, it says so


def test_a_browser_without_webassembly_keeps_the_poster_and_says_why(browser, tmp_path):
    assets.install()
    page = labs.write_page(tmp_path, STATIC)
    with labs.counting(tmp_path) as (address, _), contextlib.closing(browser.new_context()) as old:
        old.add_init_script("delete globalThis.WebAssembly")
        tab = old.new_page()
        tab.goto(address + page)
        note = tab.get_by_role("alert")
        note.wait_for()
        assert "WebAssembly" in note.inner_text()
        assert tab.locator(".nst-lab-poster").is_visible()


def test_a_page_opened_as_a_file_says_how_to_serve_it(browser, tmp_path):
    page = labs.write_page(tmp_path, STATIC)
    with contextlib.closing(browser.new_context()) as context:
        tab = context.new_page()
        tab.goto((tmp_path / page).as_uri())
        tab.locator(".nst-lab-note").wait_for()
        assert "make serve" in tab.locator(".nst-lab-note").inner_text()


def test_a_wrong_attribute_is_shown_to_the_author(browser, tmp_path):
    with opened(browser, tmp_path, {"style-layers": "relu9_9:1"}) as (tab, _, _):
        note = tab.get_by_role("alert")
        note.wait_for()
        assert "relu9_9" in note.inner_text()


def test_a_runtime_that_does_not_arrive_is_an_error_in_words(browser, tmp_path):
    with opened(browser, tmp_path) as (tab, _, _):
        reader = labs.Reader(tab)
        tab.route("**/ort.wasm.gz", lambda route: route.fulfill(status=404))
        reader.press("Start")
        reader.wait(f"{reader.script}.state === 'failed'")
        assert "ort.wasm.gz" in reader.figure.get_by_role("alert").inner_text()
        tab.unroute("**/ort.wasm.gz")
        reader.press("Start")  # and it can be tried again
        reader.reach(1)

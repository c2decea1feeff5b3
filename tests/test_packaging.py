"""What is written down twice says the same, and what is installed is whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lowest
import notebooks
import pytest
import release
import yaml
from conftest import ROOT
from packaging.requirements import Requirement

from nst_teach import source

CONDA_NAMES = {"torch": "pytorch"}
"""Packages that conda-forge calls otherwise than the Python index."""

CONDA_LACKS = {"sphinx-exercise", "sphinx-proof"}
"""Packages of which conda-forge has only older versions: pip installs them beside the others."""

CONDA_ONLY = {"python", "pip", "jupyterlab", "nbgitpuller", "nodejs"}
"""What environment.yml adds: the interpreter, and what Binder, hubs and the book's assets need."""

PACKAGES = ("nst_teach", "nst_teach_checks")
"""What is installed: the core, and the checks of the exercises beside it."""

PROGRAM = "nst_teach_command.py"
"""... and what the shell starts."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
ADDRESS = notebooks.repository_address()

ADDRESS_IN = {"_config.yml", "pyproject.toml", "CITATION.cff", "README.md"}
"""The files that may hold the project's public address."""

MADE = {"_build", "build", "node_modules", "vendor", "__pycache__"}
"""Folders that tools make; those whose name starts with "." or ends with ".egg-info" too."""

TEXT = {".md", ".py", ".toml", ".yml", ".yaml", ".cff", ".css", ".js", ".json", ".bib", ".svg", ""}


def bounds(requirements: list[str]) -> dict[str, str]:
    """Name to version bounds, in one spelling, of requirements in either file's notation."""
    parsed = [Requirement(text) for text in requirements]
    return {item.name.lower(): str(item.specifier) for item in parsed}


def slug(address: str) -> str:
    """OWNER/PROJECT of a public address."""
    return "/".join(address.rstrip("/").split("/")[-2:])


def written_files() -> Iterator[Path]:
    """Every file that people write: all but what tools make."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not is_made(name)]
        yield from (Path(folder) / name for name in files)


def is_made(folder: str) -> bool:
    """Whether tools make the folder of this name. Hidden ones are, except where CI is set up."""
    hidden = folder.startswith(".") and folder not in {".ci", ".github"}
    return hidden or folder.endswith(".egg-info") or folder in MADE


# environment.yml


def test_environment_has_the_names_and_bounds_of_pyproject():
    extras = PROJECT["optional-dependencies"]
    expected = {
        CONDA_NAMES.get(name, name): bound
        for name, bound in bounds(PROJECT["dependencies"] + extras["book"]).items()
    }
    conda = bounds([item for item in ENVIRONMENT["dependencies"] if isinstance(item, str)])
    beside = bounds([item for item in by_pip() if not item.startswith("--")])
    assert beside.keys() == CONDA_LACKS
    found = {name: bound for name, bound in conda.items() if name not in CONDA_ONLY}
    assert found | beside == expected


def test_environment_asks_for_the_same_python():
    conda = bounds([item for item in ENVIRONMENT["dependencies"] if isinstance(item, str)])
    assert conda["python"] == PROJECT["requires-python"]


def test_environment_installs_the_package_itself():
    assert "--editable ." in by_pip()


def by_pip() -> list[str]:
    """What environment.yml leaves to pip."""
    (entry,) = [item for item in ENVIRONMENT["dependencies"] if isinstance(item, dict)]
    return entry["pip"]


# The lowest versions


def test_the_list_of_lowest_versions_is_what_pyproject_says():
    assert lowest.TARGET.read_text(encoding="utf-8") == lowest.current(), "run tools/lowest.py"


def test_a_bound_is_found_among_others():
    assert lowest.lowest(Requirement("sphinx-design>=0.6,<1")) == "0.6"
    assert lowest.lowest(Requirement("dask[distributed]>=2024.1,!=2024.3")) == "2024.1"


@pytest.mark.parametrize("text", ["numpy", "numpy<3", "numpy>=1,>=2", "numpy==2.0", "numpy~=2.0"])
def test_a_package_without_one_lower_bound_is_named(text):
    with pytest.raises(ValueError, match=r"numpy.*needs exactly one lower bound"):
        lowest.lowest(Requirement(text))


def test_extras_are_constrained_too_and_the_project_itself_is_not():
    extras = {"book": ["own[film]", "a>=1"], "film": ["b[x]>=2,<3"], "pdf": [], "test": []}
    project = {"name": "own", "dependencies": ["c>=0.5"], "optional-dependencies": extras}
    assert lowest.constraints(project).splitlines()[1:] == ["a==1", "b==2", "c==0.5"]


# Releases


CHANGELOG = "## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n\n## [0.1.0] - 2026-12-01\n"


def test_a_release_whose_tag_version_and_changelog_agree():
    assert release.fault("v0.2.0", "0.2.0", CHANGELOG) == ""


@pytest.mark.parametrize(
    ("tag", "version", "finding"),
    [
        ("v0.2.1", "0.2.0", "the tag is 'v0.2.1'"),
        ("0.2.0", "0.2.0", "the tag is '0.2.0'"),
        ("v0.3.0", "0.3.0", "CHANGELOG.md does not begin with"),
        ("v0.1.0", "0.1.0", "CHANGELOG.md does not begin with"),
    ],
)
def test_any_other_release_is_refused(tag, version, finding):
    assert finding in release.fault(tag, version, CHANGELOG)


def test_the_changelog_knows_no_version_newer_than_pyproject():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert set(release.released(text)[:1]) <= {release.version()}


# Workflows


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^\s*(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_the_hash_of_a_release(path):
    """A tag can be moved to other code; the release's name stands behind for readers."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not PINNED.match(line)] == []


def test_one_action_has_one_hash():
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    pins = set(re.findall(r"uses: (\S+)@(\w+) # (\S+)", text))
    assert len({name for name, _, _ in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read_and_no_deployment_is_cancelled(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    cancel = workflow["concurrency"]["cancel-in-progress"]
    assert cancel is False or "refs/heads/main" in cancel
    for name, job in workflow["jobs"].items():
        writes = {scope for scope, may in job.get("permissions", {}).items() if may == "write"}
        assert writes <= {"pages", "id-token", "attestations"}, name
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_every_system_and_every_python_is_tested():
    workflow = yaml.safe_load(WORKFLOWS[0].read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {job["system"].partition("-")[0] for job in matrix} == {"ubuntu", "macos", "windows"}
    assert min(job["python"] for job in matrix) in PROJECT["requires-python"]
    assert {job["python"] for job in matrix} == {f"3.{minor}" for minor in range(11, 15)}


# One address, one version


def test_address_is_the_same_wherever_it_stands():
    assert PROJECT["urls"]["Repository"] == ADDRESS
    assert CITATION["repository-code"] == ADDRESS


def test_readme_badges_lead_to_the_address():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    hosts = r"(?:mybinder\.org/v2/gh|colab\.research\.google\.com/github)"
    assert set(re.findall(rf"{hosts}/([\w.-]+/[\w.-]+)", readme)) <= {slug(ADDRESS)}


def test_address_is_written_by_hand_nowhere_else():
    holders = {
        path.relative_to(ROOT).as_posix()
        for path in written_files()
        if path.suffix in TEXT and slug(ADDRESS) in path.read_text(encoding="utf-8")
    }
    assert holders <= ADDRESS_IN
    assert "_config.yml" in holders


def test_version_is_the_same_wherever_it_stands():
    package = (ROOT / "nst_teach" / "__init__.py").read_text(encoding="utf-8")
    assert re.findall(r'^__version__ = "(.+)"$', package, re.M) == [PROJECT["version"]]
    assert CITATION["version"] == PROJECT["version"]


# Where the package can be had


INDEX = re.compile(r"""pip install [^\n]*?(?<![\w/."'-])["']?nst-teach(?!\[\w+\] @ | @ )""")
"""Advice to install it by its name from an index: there it is nobody's, and might be anybody's."""


def test_nobody_is_told_to_get_the_package_from_an_index():
    found = [
        f"{path.relative_to(ROOT)}: {hit[0]}"
        for path in written_files()
        if path.suffix in TEXT | {".ipynb"} and path.name != Path(__file__).name
        for hit in INDEX.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("name", ["nst-teach", "'nst-teach[book]'", "--upgrade nst-teach"])
def test_such_advice_would_be_found(name):
    assert INDEX.search(f"Run: pip install {name}")
    assert not INDEX.search('pip install "nst-teach[book] @ git+https://example.org/p"')


def test_the_package_names_its_repository():
    assert source.address() == ADDRESS
    assert source.pip_install("--upgrade", extra="book") == (
        f'pip install --upgrade "nst-teach[book] @ git+{ADDRESS}"'
    )


def test_without_an_installation_the_folder_is_installed(monkeypatch):
    monkeypatch.setattr(source, "DISTRIBUTION", "no-such-distribution")
    assert source.pip_install().startswith("pip install --editable")


# What is installed


def test_torch_and_torchvision_come_from_one_index():
    torch = pytest.importorskip("torch")
    torchvision = pytest.importorskip("torchvision")
    builds = {module.__version__.partition("+")[2] for module in (torch, torchvision)}
    assert len(builds) == 1, "install both from one index; their builds do not fit together"
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0]


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory) -> set[str]:
    """The names in the wheel that the project makes, built from a copy of its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", PROGRAM):
        shutil.copy(ROOT / name, folder)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name)
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_carries_every_file_of_the_packages(wheel_files):
    found = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    files = {path.relative_to(ROOT) for path in found}
    carried = {path.as_posix() for path in files if "__pycache__" not in path.parts}
    assert carried - wheel_files == set()


def test_wheel_carries_nothing_but_the_packages(wheel_files):
    tops = {Path(name).parts[0] for name in wheel_files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*PACKAGES, PROGRAM}


# The sdist: the whole project, so that whoever packs it can test what they packed


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The sdist of a copy of the sources, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    for path in written_files():
        copy = folder / "sources" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder]
    subprocess.run([*command, folder / "sources"], check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def test_sdist_carries_every_file_that_people_wrote(sdist):
    written = {path.relative_to(ROOT) for path in written_files()}
    packed = {path.relative_to(sdist) for path in sdist.rglob("*") if path.is_file()}
    assert {path.as_posix() for path in written - packed if path.suffix != ".pyc"} == set()


def test_tests_run_from_the_sdist(sdist):
    """All are found there, with all that they share; those of the losses run."""
    environment = {**os.environ, "PYTHONPATH": str(sdist)}
    for words in (["--collect-only", "tests"], ["tests/test_losses.py"]):
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            *words,
        ]
        done = subprocess.run(command, cwd=sdist, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

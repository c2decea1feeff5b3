"""The offline bundle: whole, the same for the same inputs, and silent about this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import bundle
import pytest

FILES = {
    "_build/html/index.html": "<h1>Book</h1>",
    "_build/html/_static/look.css": "h1 {}",
    "_build/html/.buildinfo": "not to be packed",
    "book/chapters/01_page.ipynb": "{}",
    "book/images/mark.svg": "<svg/>",
    "exercises/ex01_page.ipynb": "{}",
    "exercises/solutions/ex01_page.ipynb": '{"solved": true}',
    "exercises/src/ex01_page.md": "not to be packed",
    "LICENSE": "free",
    "README.md": "# Package",
    "nst_teach/__init__.py": '"""A small package."""\n',
    "nst_teach/__pycache__/old.pyc": "not to be packed",
    "nst_teach_command.py": '"""Its program."""\n',
    "nst_teach_checks/__init__.py": '"""Its checks."""\n',
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "nst-teach"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
        '[tool.setuptools]\npy-modules = ["nst_teach_command"]\n'
        'packages = ["nst_teach", "nst_teach_checks"]\n'
    ),
}


def project(folder: Path) -> Path:
    """A small project in `folder`."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> dict[str, Path]:
    """The two archives of a small project, under short names."""
    root = project(tmp_path_factory.mktemp("project"))
    students, solutions = bundle.make(root, tmp_path_factory.mktemp("dist"), complete=False)
    return {"students": students, "solutions": solutions}


def names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        return {name.partition("/")[2] for name in opened.namelist()}


def text(archive: Path, name: str) -> str:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(f"{archive.stem}/{name}").decode()


# What is in it


def test_students_get_book_notebooks_package_and_versions(archives):
    assert names(archives["students"]) == {
        "site/index.html",
        "site/_static/look.css",
        "book/chapters/01_page.ipynb",
        "book/images/mark.svg",
        "exercises/ex01_page.ipynb",
        "wheels/nst_teach-0.1.0-py3-none-any.whl",
        "requirements.txt",
        "LICENSE",
        "README.md",
        "SHA256SUMS",
    }


def test_solutions_come_apart(archives):
    found = names(archives["solutions"])
    assert found == {"exercises/solutions/ex01_page.ipynb", "LICENSE", "README.md", "SHA256SUMS"}


def test_everything_lies_in_one_folder(archives):
    for archive in archives.values():
        with zipfile.ZipFile(archive) as opened:
            assert {name.partition("/")[0] for name in opened.namelist()} == {archive.stem}


def test_a_book_that_is_not_built_is_asked_for(tmp_path):
    shutil.rmtree(project(tmp_path) / "_build")
    with pytest.raises(bundle.BundleError, match="make book"):
        bundle.make(tmp_path, tmp_path / "dist", complete=False)


# Checksums


@pytest.mark.parametrize("which", ["students", "solutions"])
def test_every_file_is_whole(archives, which):
    assert bundle.faults(archives[which]) == []


def unpacked(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / archive.stem


def checked(folder: Path) -> subprocess.CompletedProcess:
    """What a student types."""
    program = ["sha256sum"] if shutil.which("sha256sum") else ["shasum", "-a", "256"]
    if not shutil.which(program[0]):
        pytest.skip("Windows has no such command; `tools/bundle.py --verify` does the same")
    words = [*program, "--check", "--quiet", "SHA256SUMS"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_plain_command_of_the_system_agrees(archives, tmp_path):
    folder = unpacked(archives["students"], tmp_path)
    assert checked(folder).returncode == 0
    page = folder / "site" / "index.html"
    page.write_text(page.read_text().replace("Book", "book"))
    done = checked(folder)
    assert done.returncode != 0
    assert "site/index.html" in done.stdout


def repacked(archive: Path, target: Path, change) -> Path:
    """A copy of an archive whose files were passed through `change(name, content)`."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (content := change(name, old.read(name))) is not None:
                new.writestr(name, content)
    return target


def test_one_changed_byte_is_caught(archives, tmp_path):
    def change(name, content):
        return content[:-1] + b"!" if name.endswith("index.html") else content

    damaged = repacked(archives["students"], tmp_path / "a.zip", change)
    assert bundle.faults(damaged) == ["site/index.html: damaged"]


def test_a_missing_and_an_added_file_are_caught(archives, tmp_path):
    def change(name, content):
        return None if name.endswith("look.css") else content

    damaged = repacked(archives["students"], tmp_path / "a.zip", change)
    with zipfile.ZipFile(damaged, "a") as opened:
        opened.writestr(f"{archives['students'].stem}/extra.txt", "who put this here?")
    assert bundle.faults(damaged) == ["extra.txt: unknown", "site/_static/look.css: missing"]


def test_damage_on_the_way_is_caught(archives, tmp_path):
    content = bytearray(archives["students"].read_bytes())
    at = content.index(b"<h1>") if b"<h1>" in content else len(content) // 3
    content[at] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    assert bundle.faults(tmp_path / "a.zip") != []


def test_half_a_file_is_caught(archives, tmp_path):
    content = archives["students"].read_bytes()
    (tmp_path / "a.zip").write_bytes(content[: len(content) // 2])
    assert bundle.faults(tmp_path / "a.zip") == ["a.zip: not a whole zip file"]
    assert bundle.main(["--verify", str(tmp_path / "a.zip")]) == 1


def test_verify_says_that_all_is_well(archives, capsys):
    assert bundle.main(["--verify", str(archives["students"])]) == 0
    assert "every file is whole" in capsys.readouterr().out


def test_the_archive_s_own_checksum_lies_beside_it(archives):
    for archive in archives.values():
        digest, name = archive.with_name(f"{archive.name}.sha256").read_text().split()
        assert name == archive.name
        assert digest == hashlib.sha256(archive.read_bytes()).hexdigest()


# The same inputs give the same bytes, and say nothing of this machine


def test_the_same_inputs_give_the_same_bytes(archives, tmp_path):
    """In another folder, at another time, with other modes and dates."""
    root = project(tmp_path / "elsewhere")
    for path in root.rglob("*.ipynb"):
        path.chmod(0o600)
        os.utime(path, (1_500_000_000, 1_500_000_000))
    again = bundle.make(root, tmp_path / "dist", complete=False)
    assert [path.read_bytes() for path in again] == [p.read_bytes() for p in archives.values()]


def test_another_input_gives_other_bytes(archives, tmp_path):
    root = project(tmp_path / "elsewhere")
    (root / "exercises" / "ex01_page.ipynb").write_text('{"other": 1}')
    students, solutions = bundle.make(root, tmp_path / "dist", complete=False)
    assert students.read_bytes() != archives["students"].read_bytes()
    assert solutions.read_bytes() == archives["solutions"].read_bytes()


def test_a_page_that_names_this_machine_is_refused(tmp_path):
    root = project(tmp_path / "project")
    (root / "_build" / "html" / "page.html").write_text(f"File {root}/secret.py, line 3")
    with pytest.raises(bundle.BundleError, match=r"site/page\.html"):
        bundle.make(root, tmp_path / "dist", complete=False)
    assert not list((tmp_path).glob("dist/*.zip"))


def test_entries_hold_no_dates_and_no_modes(archives):
    with zipfile.ZipFile(archives["students"]) as opened:
        assert {entry.date_time for entry in opened.infolist()} == {bundle.EPOCH}
        assert {entry.external_attr for entry in opened.infolist()} == {bundle.MODE}


# Versions


def test_versions_are_those_of_this_environment():
    versions = bundle.pinned()
    assert versions["torch"] == metadata.version("torch")
    assert versions["numpy"] == metadata.version("numpy")
    assert "pytest" not in versions  # a student tests nothing
    assert "sphinx" not in versions  # and builds no book


def test_what_is_needed_indirectly_is_listed():
    versions = bundle.pinned(["matplotlib"])
    assert {"matplotlib", "pyparsing", "python-dateutil"} <= set(versions)


def test_extras_count_only_where_they_are_asked_for():
    assert "sphinx" in bundle.pinned(["nst-teach[book]"])
    assert "sphinx" not in bundle.pinned(["nst-teach"])
    assert "sphinx" in bundle.pinned(["nst-teach[book]", "nst-teach"])
    assert "sphinx" in bundle.pinned(["nst-teach", "nst-teach[book]"])


def test_what_is_not_installed_is_listed_without_a_version():
    assert bundle.version_list(bundle.pinned(["no-such-package-here"])) == "no-such-package-here\n"


def test_the_package_itself_is_not_looked_for_on_an_index():
    assert "nst-teach" not in bundle.version_list(bundle.pinned())


def test_wheels_give_a_list_with_their_checksums(tmp_path):
    for name in ("b_two-2.0-py3-none-any.whl", "a_one-1.0-py3-none-any.whl"):
        (tmp_path / name).write_bytes(name.encode())
    digest = hashlib.sha256(b"a_one-1.0-py3-none-any.whl").hexdigest()
    first, second = bundle.hashed_list(tmp_path.glob("*.whl")).splitlines()
    assert first == f"a-one==1.0 --hash=sha256:{digest}"
    assert second.startswith("b-two==2.0 --hash=sha256:")


def test_a_complete_bundle_installs_without_an_index(tmp_path, monkeypatch):
    """With the package alone for a version list: what the README says to type, really typed."""
    monkeypatch.setattr(bundle, "pinned", dict)
    monkeypatch.setattr(bundle, "download", lambda versions, folder: None)
    root = project(tmp_path / "project")
    students, _ = bundle.make(root, tmp_path / "dist", complete=True)
    folder = unpacked(students, tmp_path)
    (line,) = [x for x in text(students, "README.md").splitlines() if "pip install" in x]
    words = [*line.split()[1:], "--no-deps", "--target", str(tmp_path / "target"), "--quiet"]
    environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([sys.executable, "-m", "pip", *words], cwd=folder, env=environment, check=True)
    assert (tmp_path / "target" / "nst_teach" / "__init__.py").is_file()


def test_a_failing_pip_is_reported(tmp_path):
    root = project(tmp_path / "project")
    (root / "pyproject.toml").write_text("not toml at all [")
    with pytest.raises(bundle.BundleError, match="pip wheel failed"):
        bundle.build_wheel(root, tmp_path)

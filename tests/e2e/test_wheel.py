"""The built wheel, in an environment of its own, without the repository around it."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def run(*words, cwd):
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        REPOSITORY,
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        folder,
        cwd=folder,
    )
    (built,) = folder.glob("tutelage-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A new environment with the wheel in it; what it depends on is borrowed from this one, to spare the download."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    Path(site, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_the_package_whole_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tutelage"}
    inside = {
        str(path.relative_to(REPOSITORY / "src")) for path in (REPOSITORY / "src/tutelage").rglob("*") if path.is_file()
    }
    assert {name for name in inside if name.endswith((".py", ".typed", ".html", ".css", ".js"))} <= set(names)
    assert "tutelage/py.typed" in names


def test_it_runs_the_experiment_on_mnist_found_through_data(python, tmp_path):
    where = run(python, "-c", "import tutelage; print(tutelage.__file__)", cwd=tmp_path)
    assert str(REPOSITORY) not in where
    who = ("teacher", "baseline", "student")
    once = [word for name in who for word in (f"--{name}.epochs", "1", f"--{name}.batch-size", "500")]
    small = ["--teacher.units", "32", "--student.units", "16"]
    said = run(
        python, "-m", "tutelage", "run", "mnist:hinton", "--preset", "quick", *small, *once, "--threads", "1",
        "--data", REPOSITORY / "data", cwd=tmp_path,
    )  # fmt: skip
    assert "test errors" in said
    (report,) = tmp_path.glob("runs/mnist-hinton/*/report.html")
    assert "<html" in report.read_text()
    loads = f"import tutelage, torch; print(tutelage.load({str(report.parent)!r})(torch.zeros(1, 1, 28, 28)).shape)"
    assert "10" in run(python, "-c", loads, cwd=tmp_path)

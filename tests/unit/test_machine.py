"""What the package says about the machine it runs on."""

import json
import os
import platform
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
import torch

from tutelage import machine


def test_importing_it_does_not_import_torch():
    code = "import sys, tutelage.machine; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestBfloat16:
    @pytest.mark.parametrize("unit", machine.BFLOAT16_UNITS)
    def test_is_there_if_the_processor_has_a_unit_for_it(self, unit, monkeypatch):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, unit: True})
        assert machine.has_bfloat16("cpu")

    def test_is_not_there_if_the_processor_only_knows_other_things(self, monkeypatch):
        features = {
            "avx2": True,
            "avx512_f": True,
            "avx512_bf16": False,
            "architecture": "x86_64",
            "sve_max_length": 32,
        }
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
        assert not machine.has_bfloat16(torch.device("cpu"))

    @pytest.mark.parametrize(
        ("features", "gains"),
        [
            ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
            ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
            ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
            ({"cpu_name": "AMD EPYC", "avx512_bf16": False}, False),
            ({"bf16": True}, True),
        ],
    )
    def test_is_expected_to_pay_where_it_is_more_at_a_time(self, features, gains, monkeypatch):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
        assert machine.gains_from_bfloat16("cpu") == gains

    def test_is_read_off_this_processor(self):
        flags = Path("/proc/cpuinfo")
        known = {"avx512_bf16", "amx_bf16", "bf16", "svebf16"}
        expected = bool(known & set(flags.read_text().split())) if flags.exists() else machine.has_bfloat16("cpu")
        assert machine.has_bfloat16("cpu") == expected

    def test_is_denied_for_devices_that_cannot_be_asked(self):
        assert not machine.has_bfloat16("meta")

    def test_is_denied_for_an_accelerator_that_is_not_there(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        assert not machine.has_bfloat16("cuda")


def test_the_best_device_can_be_computed_on():
    assert torch.ones(2, device=machine.best_device()).sum().item() == 2


def test_the_allocator_is_tuned_where_there_is_glibc_and_left_alone_elsewhere(monkeypatch):
    code = "from tutelage.machine import tune_allocator; print(tune_allocator())"  # not in the process of the tests
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == str(sys.platform == "linux" and bool(os.confstr("CS_GNU_LIBC_VERSION")))
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    assert machine.tune_allocator() is False


class TestEnvironment:
    def test_holds_what_a_number_may_depend_on(self):
        said = machine.environment()
        assert said.keys() == {
            *["tutelage", "python", "torch", "numpy", "platform", "processor", "cores", "threads", "memory_bytes"],
            *["precision", "git_commit", "date"],
        }
        assert json.loads(json.dumps(said)) == said
        assert said["threads"] == torch.get_num_threads() and said["torch"] == torch.__version__
        assert said["cores"] >= 1 and said["memory_bytes"] > 2**28 and said["processor"]
        assert datetime.fromisoformat(said["date"]).utcoffset().total_seconds() == 0

    def test_names_no_path_and_no_machine(self):
        said = json.dumps(machine.environment())
        assert (
            os.uname().nodename not in said
            and str(Path.home()) not in said
            and str(Path(machine.__file__).parents[2]) not in said
        )

    def test_names_the_system_without_the_build_of_its_kernel(self):
        assert machine.environment()["platform"].startswith(f"{platform.system()} ")
        assert platform.machine() in machine.system() and platform.release() not in machine.system()

    def test_tells_the_precision_it_was_told(self):
        assert machine.environment("bfloat16")["precision"] == "bfloat16"


class TestGitCommit:
    def git(self, folder, *command):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", folder, *identity, *command], check=True, capture_output=True)

    def test_is_forty_digits_and_says_if_files_differ(self, tmp_path):
        self.git(tmp_path, "init")
        assert machine.git_commit(tmp_path) is None  # no commit yet
        (tmp_path / "file").write_text("one")
        self.git(tmp_path, "add", "file")
        self.git(tmp_path, "commit", "-m", "one")
        commit = machine.git_commit(tmp_path)
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef")
        (tmp_path / "file").write_text("two")
        assert machine.git_commit(tmp_path) == f"{commit}-dirty"

    def test_is_none_for_a_package_inside_somebody_elses_repository(self, tmp_path):
        self.git(tmp_path, "init")
        (tmp_path / "inner").mkdir()
        assert machine.git_commit(tmp_path / "inner") is None

    def test_is_none_without_git(self, tmp_path, monkeypatch):
        self.git(tmp_path, "init")
        monkeypatch.setenv("PATH", "")
        assert machine.git_commit(tmp_path) is None

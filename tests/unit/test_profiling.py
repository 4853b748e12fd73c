"""Where the time of a run goes: each second counts once, and an interrupted run adds up."""

import json
import os
import signal
import time
from contextvars import copy_context
from pathlib import Path

import pytest

import fake_recipes
from tutelage.checksums import summed
from tutelage.cli.command import main
from tutelage.cli.started import age_of_process
from tutelage.files import UNFINISHED
from tutelage.profiling import PARTS, Profile, clocked, counted, profiled
from tutelage.report import page as page_module
from tutelage.report.shares import UNTOLD

pytestmark = pytest.mark.slow

RUN = ["run", "fake_recipes:toy", "--epochs", "3", "--quiet"]


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def passes(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def folder_of(root):
    (arguments,) = root.rglob("arguments.json")
    return arguments.parent


def profile_in(folder):
    return json.loads((folder / "profile.json").read_text())["seconds"]


class TestEachSecondCountsOnce:
    def test_a_part_inside_another_stops_its_clock(self, clock):
        profile = Profile(98.0, clock=clock)
        with profiled(profile):
            clock.passes(1)
            profile.started()
            with clocked("training steps"):
                clock.passes(10)
                with clocked("validation"):
                    clock.passes(3)
                clock.passes(20)
            clock.passes(4)
        assert profile.seconds == {"start": 3.0, "training steps": 30.0, "validation": 3.0, "other": 4.0}

    def test_a_part_that_fails_has_ended(self, clock):
        profile = Profile(clock.now, clock=clock)
        with profiled(profile), pytest.raises(ValueError, match="no"), clocked("data"):
            clock.passes(1)
            raise ValueError("no")
        clock.passes(2)
        assert profile.seconds == {"start": 2.0, "data": 1.0}

    def test_batches_are_data_and_what_is_done_with_them_is_not(self, clock):
        def batches(_epoch, first):
            for number in range(first, 3):
                clock.passes(1)
                yield {"input": number}

        profile = Profile(clock.now, clock=clock)
        with profiled(profile), clocked("training steps"):
            for _ in counted(batches)(0, 1):
                clock.passes(10)
        assert profile.seconds == {"data": 2.0, "training steps": 20.0}

    def test_nobody_counts_unless_asked_to(self):
        assert counted(fake_recipes.toy) is fake_recipes.toy
        with clocked("data"):
            pass

    def test_what_was_spent_is_kept_with_every_checkpoint(self, clock):
        kept = []
        profile = Profile(clock.now, {"start": 5.0}, keep=kept.append, clock=clock)
        with profiled(profile):
            with clocked("validation"):
                clock.passes(1)
            with clocked("checkpoints"):
                clock.passes(2)
        assert kept == [{"start": 5.0, "validation": 1.0, "checkpoints": 2.0}]


@pytest.mark.usefixtures("elsewhere")
class TestTheCommand:
    def test_tells_the_table_keeps_it_and_puts_it_into_the_report(self, tmp_path, capsys):
        assert main([*RUN, "--profile"]) == 0
        said = capsys.readouterr().out
        folder = folder_of(tmp_path)
        seconds = profile_in(folder)
        assert {"start", "data", "training steps", "validation", "checkpoints", "report", "other"} == seconds.keys()
        assert f"Where the time went, {sum(seconds.values()):.1f} s in all:" in said
        page, text = ((folder / name).read_text() for name in ("report.html", "report.md"))
        assert "  report " in said and UNTOLD in page and UNTOLD in text  # a page cannot know how long it will take
        for part in seconds.keys() - {"report"}:
            assert f"  {part} " in said and f'<th scope="row">{part}</th>' in page and f"| {part} |" in text
        assert main(["report", str(folder), "--out", str(tmp_path / "again")]) == 0
        assert '<th scope="row">report</th>' in (page := (tmp_path / "again" / "report.html").read_text())
        assert UNTOLD not in page
        assert "--profile" not in json.loads((folder / "arguments.json").read_text())["command"]
        assert main(["verify", str(tmp_path / "runs")]) == 0

    def test_writes_the_page_once(self, monkeypatch):
        written = []
        whole = page_module.page_html
        monkeypatch.setattr(page_module, "page_html", lambda *given: written.append(1) or whole(*given))
        assert main([*RUN, "--profile"]) == 0
        assert written == [1]

    def test_is_silent_about_time_unless_asked(self, tmp_path, capsys):
        assert main(RUN) == 0
        assert "time went" not in capsys.readouterr().out
        folder = folder_of(tmp_path)
        assert not (folder / "profile.json").exists() and "time went" not in (folder / "report.html").read_text()

    def test_a_run_that_was_stopped_adds_up_and_a_finished_one_begins_anew(self, tmp_path):
        fake_recipes.INTERRUPT.append(signal.SIGINT)
        assert main([*RUN, "--profile"]) == 130
        folder = folder_of(tmp_path)
        spent = profile_in(folder)
        more = {part: seconds + 1000 for part, seconds in spent.items()}
        (folder / "profile.json").write_text(json.dumps(summed({"seconds": more})))
        assert main([*RUN, "--profile"]) == 0
        assert all(profile_in(folder)[part] >= more[part] for part in more)
        assert main([*RUN, "--profile"]) == 0
        assert sum(profile_in(folder).values()) < 1000 and "training steps" not in profile_in(folder)

    def test_a_run_that_is_refused_leaves_nothing(self, tmp_path):
        assert main(["run", "fake_recipes:toy", "--temperature", "-1", "--profile", "--trace", "--quiet"]) != 0
        assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob(f"{UNFINISHED}*"))

    @pytest.mark.parametrize(
        "content", ["{", "[]", '{"seconds": {}}', json.dumps(summed({"seconds": {"training": 1.0}}))]
    )
    def test_a_damaged_profile_is_named_and_its_cure_works(self, tmp_path, capsys, content):
        assert main([*RUN, "--profile"]) == 0
        profile = folder_of(tmp_path) / "profile.json"
        profile.write_text(content)
        capsys.readouterr()
        assert main(["report", str(profile.parent)]) == 3
        assert f"{profile.name}" in (said := capsys.readouterr().err) and "remove it" in said
        profile.unlink()
        assert main(["report", str(profile.parent)]) == 0

    def test_a_trace_holds_ten_steps_of_a_stage(self, tmp_path):
        assert main([*RUN, "--trace", "--epochs", "6"]) == 0  # of four steps each
        trace = json.loads((folder_of(tmp_path) / "trace-student.json").read_text())
        steps = [event for event in trace["traceEvents"] if event.get("name", "").startswith("Optimizer.step")]
        assert len(steps) == 10
        assert main(["verify", str(tmp_path / "runs")]) == 0

    def test_a_stage_of_fewer_steps_leaves_none(self, tmp_path):
        assert main([*RUN, "--trace", "--epochs", "4"]) == 0
        assert not list(tmp_path.rglob("trace*"))


@pytest.mark.usefixtures("elsewhere")
class TestStart:
    def test_it_is_that_of_the_process_for_the_command_and_that_of_the_call_from_python(self, monkeypatch):
        monkeypatch.setattr("tutelage.cli.started.age_of_process", lambda: 500.0)
        monkeypatch.setattr("sys.argv", ["tutelage", *RUN, "--profile"])
        assert copy_context().run(main) == 0
        assert profile_in(folder_of(Path("runs")))["start"] > 500
        assert main([*RUN, "--profile"]) == 0
        assert profile_in(folder_of(Path("runs")))["start"] < 500

    @pytest.mark.parametrize(("began", "age"), [(-5.0, 5.0), (-3600.0, 0.0), (5.0, 0.0)])
    def test_it_is_read_where_the_system_tells_and_what_cannot_be_is_not(self, tmp_path, monkeypatch, began, age):
        ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) + began) * os.sysconf("SC_CLK_TCK"))
        (tmp_path / "stat").write_text(f"7 (a name) with 3) S {'0 ' * 18}{ticks} 0 0")
        monkeypatch.setattr("tutelage.cli.started.STAT", tmp_path / "stat")
        assert age_of_process() == pytest.approx(age, abs=1.0)
        (tmp_path / "stat").write_text("7 (cut")
        assert age_of_process() == 0
        (tmp_path / "stat").unlink()
        assert age_of_process() == 0


def test_every_part_has_a_name_once():
    assert len(set(PARTS)) == len(PARTS)

"""Only what can be compared is ranked: the same network on the same test samples."""

import io

import pytest
from rich.console import Console

import report_sample
from tutelage.report.compare import against
from tutelage.report.groups import group_runs
from tutelage.report.markdown import markdown
from tutelage.report.page import page_html
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story

pytestmark = pytest.mark.slow

SMOKE = {"name": "synthetic/test, 500 samples", "checksum": "1c6e3f60ad1b"}
WHOLE = {"name": "mnist/test, 10000 samples", "checksum": "592f8935ebf2"}


def made(folder, seed=0, *, test=WHOLE, preset="paper", defaults=(), students=None, **flags):
    """A run on these test samples, with a preset's own defaults, or with other students than the usual one."""

    def results(value):
        value["data"] = {"train, 50000 samples": "aa", test["name"]: test["checksum"]}
        if students:
            main = value["networks"].pop(1)
            value["networks"] += [main | {"name": name} for name in students]

    def request(value):
        value["preset"] = preset
        value["defaults"] |= dict(defaults)
        value["arguments"] |= dict(defaults) | flags

    report_sample.make(folder, seed, epochs=2, **flags)
    report_sample.edited(folder, request, "arguments")
    return read_run(report_sample.edited(folder, results))


def told(groups):
    """All words of a report: page, Markdown and terminal."""
    story, buffer = story_of(groups), io.StringIO()
    print_story(story, Console(file=buffer, force_terminal=True, width=120, color_system=None))
    return page_html(groups, story) + markdown(story) + buffer.getvalue()


def smoke_and_quick(tmp_path):
    smoke = {"preset": "smoke", "defaults": {"units": 20}, "test": SMOKE}
    return [made(tmp_path / "smoke", **smoke), made(tmp_path / "quick", preset="quick")]


def test_runs_on_other_test_samples_are_not_ranked(tmp_path):
    groups = group_runs(smoke_and_quick(tmp_path))
    text = told(groups)
    assert story_of(groups).headline == (
        "2 settings, and none is called the best: these runs were measured on different test samples. "
        "To compare settings, name runs of one preset and data set."
    )
    assert all(word not in text for word in ("Which setting is best", "paired t", "difference to the first", "lowest"))
    assert against(groups[1], groups[0]).difference is None


def test_runs_on_other_test_samples_are_never_averaged(tmp_path):
    alike = [made(tmp_path / "a", 0), made(tmp_path / "b", 1, test=WHOLE | {"checksum": "another"})]
    for by in ((), ("temperature",)):
        groups = group_runs(alike, by)
        assert [len(group.runs) for group in groups] == [1, 1]
        assert list(groups[0].by) == [*by, "test samples"]


@pytest.mark.parametrize("by", [(), ("temperature",)])
def test_a_preset_stands_for_its_flags_and_those_that_depart_from_it_beside_it(tmp_path, by):
    smoke = {"preset": "smoke", "defaults": {"units": 20, "epochs": 2}}
    quick = {"preset": "quick", "defaults": {"units": 800, "epochs": 20}}
    runs = [made(tmp_path / "smoke", **smoke), made(tmp_path / "quick", **quick)]
    assert [group.by for group in group_runs(runs)] == [{"preset": "quick"}, {"preset": "smoke"}]
    runs.append(made(tmp_path / "other", **quick, temperature=2.0))
    assert [group.name for group in group_runs(runs, by)] == (
        ["temperature 2", "temperature 4"]
        if by
        else ["preset quick, temperature 2", "preset quick, temperature 4", "preset smoke, temperature 4"]
    )


def test_settings_that_deliver_other_networks_are_not_ranked(tmp_path):
    runs = [
        made(tmp_path / f"{t}-{seed}", seed, students=(name, "kd"), temperature=t)
        for t, name in ((1.0, "dist"), (4.0, "at"))
        for seed in range(2)
    ]
    groups = group_runs(runs)
    text = told(groups)
    assert len(groups) == 2 and "their students are different networks" in story_of(groups).headline
    assert "Which setting is best" not in text and "paired t" not in text


def test_runs_that_list_other_students_are_pooled_by_name(tmp_path):
    listed = [(0, ["dist", "kd"]), (1, ["dist", "kd"]), (0, ["at", "kd"])]
    runs = [made(tmp_path / f"{i}", s, students=names, methods=names) for i, (s, names) in enumerate(listed)]
    (group,) = group_runs(runs)
    assert {network.first.name: len(network.networks) for network in group.networks} == {
        **dict.fromkeys(("teacher", "baseline", "narrow student", "linear", "dist", "kd"), 2),
        "at": 1,
    }
    story = story_of([group])
    assert story.headline.startswith("Of 3 students in 3 runs, ") and not story.notes
    assert "Which setting is best" not in told([group])


def students_table(names, seed, *more):
    """A table with a row for each student, as comparisons publish it; ``more`` are columns that only some runs have."""
    rows = [[name, 40.0 + len(name) + seed, seed / 2, *("x" for _ in more)] for name in names]
    columns = ["student", "score", "over baseline", *more]
    return {"title": "Methods", "columns": columns, "rows": rows, "paired": ["over baseline"], "note": "A note."}


def with_tables(tmp_path, listed):
    runs = []
    for i, (seed, names, *more) in enumerate(listed):
        made(tmp_path / f"{i}", seed, students=names, methods=names)
        table = students_table(names, seed, *more)
        runs.append(read_run(report_sample.edited(tmp_path / f"{i}", lambda value, t=table: value.update(tables=[t]))))
    return group_runs(runs)


def test_every_report_has_the_table_of_students_right_under_its_sentence(tmp_path):
    groups = with_tables(tmp_path, [(0, ["dist", "kd"])])
    story, buffer = story_of(groups), io.StringIO()
    print_story(story, Console(file=buffer, force_terminal=True, width=60, color_system=None))
    for text in (page_html(groups, story), markdown(story), buffer.getvalue()):
        start = text.index("How do the methods compare?")
        assert start < text.index("over baseline", start) and "What else was measured?" not in text
    assert max(map(len, buffer.getvalue().splitlines())) <= 60


def test_rows_of_students_are_pooled_by_name_over_seeds(tmp_path):
    listed = [(0, ["dist", "kd"]), (2, ["kd", "dist"], "remark"), (0, ["at", "kd"])]
    (table,) = story_of(with_tables(tmp_path, listed)).tables
    names = [name for name, _ in table.columns]
    assert names == ["student", "seeds", "score", "over baseline", "p", "remark"]
    assert {row[0]: row[1:3] for row in table.rows} == {
        "dist": ("2", "45.0 ± 1.4"),
        "kd": ("2", "43.0 ± 1.4"),
        "at": ("1", "42"),
    }


@pytest.mark.parametrize(("validation", "words"), [(10, ("delivered, the best on validation",)), (900, ())])
def test_a_comparison_of_many_students_shows_the_delivered_one_and_keeps_their_order(tmp_path, validation, words):
    asked = ["kd", "at", "sp", "rkd", "cc", "dist"]

    def edit(value):
        networks = {network["name"]: network for network in value["networks"]}
        networks["dist"]["validation"] = {"errors": validation, "count": 5000}
        order = ["teacher", "dist", "baseline", *asked[:-1]]
        value.update(tables=[students_table(["baseline", *asked], 0)], networks=[networks[name] for name in order])

    made(tmp_path / "run", students=asked, methods=asked)
    (group,) = group_runs([read_run(report_sample.edited(tmp_path / "run", edit))])
    story = story_of([group])
    (figure, *_) = story.figures
    assert figure.title == "Test errors, dist" and figure.detail[: len(words)] == words
    assert any("the baseline" in detail for detail in figure.detail)
    assert [row.name for row in story.networks] == ["teacher", "baseline", *asked]


def test_the_first_lines_say_that_samples_are_synthetic(tmp_path):
    (smoke, quick) = smoke_and_quick(tmp_path)
    for runs, words in (
        ([smoke], "preset smoke · seed 0 · synthetic samples: nothing is claimed"),
        ([smoke, quick], "some on synthetic samples: nothing is claimed"),
    ):
        groups = group_runs(runs)
        story = story_of(groups)
        assert words in story.subtitle
        assert words in page_html(groups, story).split("<h1", 1)[0] and words in markdown(story).split("**", 1)[0]
    assert "synthetic" not in story_of(group_runs([quick])).subtitle


@pytest.mark.parametrize("values", [(-2.0, -0.5), (None, 0.5), ("adam", "sgd")], ids=str)
def test_negative_absent_and_worded_values_read_as_text(tmp_path, values):
    def edit(value):
        value["headline"] = "The gain is -3.5 points on cifar-100."
        rows = [["baseline", -0.18, 0], ["student", -2, -12.25]]
        columns = ["student", "score", "over baseline"]
        value.update(tables=[{"title": "Methods", "columns": columns, "rows": rows, "paired": ["over baseline"]}])

    for i, value in enumerate(values):
        report_sample.edited(report_sample.make(tmp_path / f"{i}", epochs=1, rate=value), edit)
    runs = [read_run(tmp_path / f"{i}") for i in range(2)]
    groups = group_runs(runs)
    assert "gain is −3.5 points on cifar-100" in story_of(group_runs(runs[:1])).headline
    for table in story_of(groups).tables:
        assert table.rows == (("baseline", "−0.18", "–"), ("student", "−2", "−12.25"))
    text = told(groups)
    assert "None" not in text.split("How do I repeat it?")[0]
    assert {group.name for group in groups} & {"rate −2", "no rate", "rate adam"}
    right = not isinstance(values[0], str)
    assert ('<th scope="col" class="n">rate</th>' in text) == right
    assert text.split("## Settings")[1].splitlines()[3].endswith("| --: |" if right else "| :-- |")


def test_the_first_setting_has_a_dash_where_others_have_a_difference(tmp_path):
    runs = [made(tmp_path / f"{t}-{s}", s, temperature=t) for t in (1.0, 4.0) for s in range(3)]
    first, second = story_of(group_runs(runs)).comparison
    assert (first.difference, first.t, first.flips) == ("–", "–", "–") and second.difference.startswith("−")
    same = group_runs([made(tmp_path / f"{u}-{s}", s, units=u) for u in (20, 800) for s in range(3)])
    assert story_of(same).comparison[1].difference == "±0"


def test_a_run_whose_flags_are_not_on_record_is_a_setting_of_its_own(tmp_path):
    runs = [made(tmp_path / "known", units=20)]
    made(tmp_path / "unknown")
    report_sample.edited(tmp_path / "unknown", lambda value: value.update(arguments={}, defaults={}), "arguments")
    runs.append(read_run(tmp_path / "unknown"))
    assert len(group_runs(runs)) == 2
    with pytest.raises(ValueError, match="has no flag 'units'"):
        group_runs(runs, ["units"])


def test_a_run_from_before_there_was_a_flag_did_as_its_default_does(tmp_path):
    before = made(tmp_path / "before")
    later = made(tmp_path / "later", 1, defaults={"longest": 128})
    (group,) = group_runs([before, later])
    assert (group.name, group.seeds) == ("", (0, 1))
    other = made(tmp_path / "other", defaults={"longest": 128}, longest=64)
    assert [(one.name, one.seeds) for one in group_runs([before, later, other])] == [
        ("longest 64", (0,)),
        ("longest 128", (0, 1)),
    ]

"""Settings: every field a flag, within its bounds, by one dotted name in commands and files."""

import json
import shlex
from dataclasses import dataclass, fields, replace
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Annotated, Literal

import pytest
from tyro.conf import arg

import fake_recipes
from tutelage.cli.common import Common
from tutelage.cli.docstrings import field_meanings
from tutelage.cli.failures import Usage
from tutelage.cli.flags import flags_of, leaves, parse
from tutelage.cli.request import understood
from tutelage.cli.sweep import combinations
from tutelage.recipes.cifar100.settings import Images
from tutelage.study.bounds import (
    Above,
    AtLeast,
    Count,
    Names,
    NotNegative,
    Number,
    Positive,
    Share,
    Within,
    refuse_nonsense,
)
from tutelage.study.dotted import flattened, unflattened
from tutelage.study.settings import NetworkSettings, Rules, TeacherSettings, TrainingSettings

PAIR = "fake_recipes:pair"


NETWORK, IMAGES = NetworkSettings(name="net"), Images()


@dataclass(frozen=True, kw_only=True)
class Deep:
    """Settings in settings, one of them flat."""

    networks: tuple[NetworkSettings, ...] = ()
    """several"""
    best: NetworkSettings = NETWORK
    flat: Annotated[Images, arg(name="")] = IMAGES
    share: Share | None = None
    """of all,
    in two lines"""


DEEP = Deep()


def recipe(
    run: "Nowhere",  # noqa: F821
    *,
    count: Count = 1,
    number: Number = 0,
    positive: Positive = 1.0,
    decay: NotNegative = 0.0,
    share: Share = 0.5,
    many: tuple[Positive, ...] = (1.0,),
    both: tuple[Count, Share] = (1, 1.0),
    bounded: "Annotated[list[int], Within(2, 3)]" = [2],  # noqa: B006
    by_name: dict[str, Share] = {},  # noqa: B006
    perhaps: Positive | None = None,
    some: Annotated[int, AtLeast(1)] | Literal["all"] = 1,
    kind: Literal["a", "b"] = "a",
    names: Names = ("all",),
    free: float = 0.0,
    untyped=0,
    network: NetworkSettings = NETWORK,
    deep: Deep = DEEP,
) -> None: ...


USUAL = {flag.name: flag.default for flag in flags_of(recipe)}
ALLOWED = [
    {"count": 1, "number": 0, "positive": 1e-9, "decay": 0, "share": 1, "many": (), "both": (9, 0.0)},
    {"bounded": [2, 3, 2], "by_name": {"a": 0.3}, "perhaps": 0.1, "some": "all", "kind": "b"},
    {"free": inf, "untyped": -1, "network": TeacherSettings(name="x", weights=Path("y"))},
]
REFUSED = [
    ({"count": 0}, "--count must be more than 0; got 0."),
    ({"number": -1}, "--number must be at least 0; got -1."),
    ({"positive": 0.0}, "--positive must be more than 0; got 0.0."),
    ({"positive": inf}, "--positive must be more than 0, and finite; got inf."),
    ({"decay": nan}, "--decay must be at least 0; got nan."),
    ({"decay": inf}, "--decay must be at least 0, and finite; got inf."),
    ({"share": 1.5}, "--share must be between 0 and 1; got 1.5."),
    ({"share": nan}, "--share must be between 0 and 1; got nan."),
    ({"many": (1.0, -1.0)}, "--many must be more than 0; got -1.0."),
    ({"many": [nan]}, "--many must be more than 0; got nan."),
    ({"both": (1, 2.0)}, "--both must be between 0 and 1; got 2.0."),
    ({"bounded": [2, 4]}, "--bounded must be between 2 and 3; got 4."),
    ({"by_name": {"a": 2}}, "--by-name must be between 0 and 1; got 2."),
    ({"perhaps": 0}, "--perhaps must be more than 0; got 0."),
    ({"some": 0}, "--some must be at least 1; got 0."),
    ({"some": "none"}, "--some must be one of all; got none."),
    ({"kind": "c"}, "--kind must be one of a, b; got c."),
    ({"network": TeacherSettings(name="x", mean=(0.5, 117.0))}, "--network.mean must be between 0 and 1; got 117.0."),
    ({"network": TeacherSettings(name="x", mean=(nan,))}, "--network.mean must be between 0 and 1; got nan."),
    ({"network": TeacherSettings(name="x", std=(58.0,))}, "--network.std must be at most 1; got 58.0."),
    ({"network": TeacherSettings(name="x", std=(0.0,))}, "--network.std must be more than 0; got 0.0."),
    ({"network": TeacherSettings(name="x", seed=-1)}, "--network.seed must be at least 0; got -1."),
    ({"names": ()}, "--names takes one value or more; got none."),
    ({"network": replace(NETWORK, views=163)}, "--network.views must be between 0 and 162; got 163."),
    (
        {"network": replace(NETWORK, training=TrainingSettings(batch_size=0))},
        "--network.batch-size must be more than 0; got 0.",
    ),
    (
        {"network": TeacherSettings(name="x", training=TrainingSettings(lr=nan))},
        "--network.lr must be at least 1e-09; got nan.",
    ),
    ({"deep": Deep(best=replace(NETWORK, views=-1))}, "--deep.best.views must be between 0 and 162; got -1."),
    ({"deep": Deep(flat=Images(validation=-1))}, "--deep.validation must be at least 0; got -1."),
    ({"deep": Deep(networks=(NETWORK, replace(NETWORK, views=-1)))}, "--deep.networks.views must be between 0 and 162"),
    ({"deep": Deep(share=2)}, "--deep.share must be between 0 and 1; got 2."),
    (
        {"network": replace(NETWORK, training=TrainingSettings(schedule="line"))},
        "--network.schedule must be one of steps, one-cycle",
    ),
]


@pytest.mark.parametrize("arguments", [{}, USUAL, *ALLOWED])
def test_what_the_annotations_allow_is_allowed_whatever_else_is_among_the_locals(arguments):
    refuse_nonsense(recipe, {**arguments, "run": 0, "other": -1})


@pytest.mark.parametrize("asked", [recipe, partial(recipe, count=0), partial(partial(recipe, count=2), kind="b")])
@pytest.mark.parametrize(("arguments", "said"), REFUSED)
def test_what_they_do_not_allow_is_refused_by_the_name_of_its_flag(asked, arguments, said):
    with pytest.raises(ValueError) as refusal:
        refuse_nonsense(asked, {**USUAL, **arguments})
    assert said in str(refusal.value)


@pytest.mark.parametrize("bound", [Above(0), AtLeast(0), Within(0, 1)])
def test_no_bound_lets_through_what_is_no_finite_number(bound):
    assert not any(map(bound.holds, (nan, inf, -inf)))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"seed": 0, "network": NETWORK},
        {
            "a": TeacherSettings(name="x", weights=Path("y")),
            "b": NetworkSettings(name="z", layers=("1", "2")),
            "c": (1, 2),
        },
        {"deep": Deep(best=replace(NETWORK, training=TrainingSettings(lr=0.3)), flat=Images(validation=7))},
    ],
)
def test_dotted_names_and_arguments_are_the_same_thing(arguments):
    flat = flattened(arguments)
    usual = {name: type(x)(**{"name": "-"} if "name" in {f.name for f in fields(x)} else {}) if name in "ab" else x
             for name, x in arguments.items()}  # fmt: skip
    assert unflattened(usual, flat) == arguments
    assert flattened(unflattened(usual, flat)) == flat
    assert not any(hasattr(value, "__dataclass_fields__") for value in flat.values())


def test_one_dotted_name_changes_one_field_and_nothing_else():
    usual = {"deep": Deep(), "seed": 0}
    flat = flattened(usual)
    for name in flat:
        changed = flattened(unflattened(usual, {name: "new"}))
        assert changed == {**flat, name: "new"}
    with pytest.raises(ValueError, match=r"no deep\.best\.speed among.*deep\.best\.lr"):
        unflattened(usual, {"deep.best.speed": 1})


@pytest.mark.parametrize("settings", [TrainingSettings, NetworkSettings, TeacherSettings, Images, Rules])
def test_every_field_of_the_settings_says_what_it_means(settings):
    silent = [field.name for field in fields(settings) if field.name not in field_meanings(settings)]
    assert silent in ([], ["training"])
    assert field_meanings(Deep)["share"] == "of all, in two lines"


def test_the_flags_of_settings_have_dotted_names_defaults_and_meanings_of_the_fields():
    flags = {flag.name: flag for flag in leaves(flags_of(fake_recipes.pair_smoke))}
    assert list(flags)[:3] == ["temperature", "strengths", "teacher.name"]
    assert (flags["student.lr"].default, flags["student.views"].default) == (0.5, 0)
    assert flags["teacher.weights"].help == "a file with its trained weights: nothing is trained then"
    assert flags["student.batch_size"].spelled == "--student.batch-size"


def test_settings_without_a_default_are_asked_for():
    def wants(run, *, student: NetworkSettings) -> None: ...

    def parsed(words):
        return parse(flags_of(wants), Common, words, prog="tutelage run lab:wants", description="")[0]

    assert parsed(["--student.name", "x", "--student.lr", "1"]) == {
        "student": NetworkSettings(name="x", training=TrainingSettings(lr=1))
    }
    with pytest.raises(Usage, match=r"--student\.name"):
        parsed([])


def test_one_flag_changes_one_field_of_a_preset_and_keeps_the_rest():
    usual = understood(PAIR, ["--preset", "smoke"]).arguments
    asked = understood(PAIR, ["--preset", "smoke", "--student.epochs", "3"])
    assert flattened(asked.arguments) == {**flattened(usual), "student.epochs": 3}
    assert asked.arguments["student"] == NetworkSettings(name="tiny", training=TrainingSettings(epochs=3, lr=0.5))
    assert asked.command == f"tutelage run {PAIR} --preset smoke --student.epochs 3"
    assert flattened(asked.defaults) == flattened(usual)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--preset", "smoke", "--student.name", "wide", "--student.layers", "a", "b", "--student.views=7"],
        ["--teacher.weights", "some where/x.pt", "--teacher.seed", "7", "--strengths", "1", "2"],
        ["--preset=smoke", "--student.layers", "--teacher.optimizer", "adam", "--images.validation=0"],
    ],
)
def test_the_command_and_the_file_of_a_request_ask_for_the_same(words, tmp_path):
    request = understood(PAIR, words)
    recipe, *rest = shlex.split(request.command)[2:]
    assert understood(recipe, rest) == request
    plain = {name: str(x) if isinstance(x, Path) else x for name, x in flattened(request.arguments).items()}
    (tmp_path / "a.json").write_text(json.dumps({"recipe": PAIR, "preset": request.preset, "arguments": plain}))
    again = understood(PAIR, ["--from", str(tmp_path / "a.json")])
    assert (again.arguments, again.defaults, again.preset) == (request.arguments, request.defaults, request.preset)


def test_explicit_flags_win_over_a_file_and_the_file_over_the_preset_field_by_field(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"student.lr": 0.25, "student.epochs": 7}))
    words = ["--preset", "smoke", "--from", str(tmp_path / "a.json"), "--student.epochs", "9"]
    assert understood(PAIR, words).arguments["student"] == NetworkSettings(
        name="tiny", training=TrainingSettings(epochs=9, lr=0.25)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "3"], "did you mean '--teacher.epochs' or '--student.epochs'?"),
        (["--student-epochs", "3"], "did you mean '--student.epochs'"),
        (["--student.epoch", "3"], "did you mean '--student.epochs'"),
        (["--student.training.lr", "3"], "did you mean '--student.lr'"),
        (["--student", "wide"], "did you mean '--student.name'"),
        (["--student.epochs", "many"], "--student.epochs"),
        (
            ["--student.schedule", "line"],
            "--student.schedule must be one of steps, one-cycle, cosine, constant, two-steps, even-steps; got 'line'.",
        ),
        (["--student.batch-size", "0"], "--student.batch-size must be more than 0; got 0."),
        (["--teacher.lr", "nan"], "--teacher.lr must be at least 1e-09; got nan."),
        (["--strengths", "1", "inf"], "--strengths must be more than 0, and finite; got inf."),
        (["--seed", "-1"], "--seed must be at least 0; got -1."),
        (["--preset", "smoke", "--data", "pets"], "--images.name is synthetic"),
        (["--images.name", "synthetic", "--data", "pets"], "--images.name is synthetic"),
        (["--preset", ""], "no preset ''"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(words, said):
    with pytest.raises(ValueError) as refusal:
        understood(PAIR, words)
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"student.epoch": 1}, "did you mean 'student.epochs'"),
        ({"student": {"epochs": 1}}, 'dotted, not nested: {"student.epochs": …}'),
        ({"student.epochs": "many"}, "many"),
        ({"student.epochs": 0}, "--student.epochs must be more than 0; got 0."),
    ],
)
def test_a_file_of_dotted_names_that_makes_no_sense_is_refused(tmp_path, content, said):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=said):
        understood(PAIR, ["--from", str(tmp_path / "a.json")])


def test_a_sweep_varies_fields_like_flags():
    words = ["--preset", "smoke", "--student.lr", "0.1", "0.2", "--student.layers", "a", "b", "--student.layers", "c"]
    requests, varied = combinations(PAIR, [*words, "--seed", "0", "1"])
    assert varied == ["student.lr", "student.layers", "seed"]
    points = [[flattened(request.arguments)[name] for name in varied] for request in requests]
    assert points == [[lr, layers, seed] for lr in (0.1, 0.2) for layers in (("a", "b"), ("c",)) for seed in (0, 1)]
    with pytest.raises(ValueError, match=r"--student\.lr must be at least 1e-09; got -1\.0"):
        combinations(PAIR, ["--student.lr", "0.1", "-1"])


def test_no_preset_and_the_name_of_a_recipes_own_are_one_run():
    requests = [understood(PAIR, []), understood(PAIR, ["--preset", "paper"]), understood(f"{PAIR}_paper", [])]
    assert all(x.arguments == x.defaults == requests[0].arguments for x in requests)
    assert {(request.preset, request.command) for request in requests} == {("paper", f"tutelage run {PAIR}")}
    with pytest.raises(Usage, match="Its presets: smoke, paper"):
        understood(PAIR, ["--preset", "default"])

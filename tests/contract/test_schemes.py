"""What every scheme must do, whoever teaches whom in it: run, go on after a stop, take any rule, leave teachers alone.

A new scheme is a line of ``SCHEMES``: how it is called in a run, by a rule or by none, which is the sum.
"""

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tutelage.schemes
from contract.find import modules, own
from examples import bits, same
from stopping import LEFT, stopping
from tutelage.checkpoint import load_state
from tutelage.combine.by_name import Given, upgrad
from tutelage.compress.budget import budget
from tutelage.compress.fake_quantised import fake_quantised
from tutelage.compress.gates import gated
from tutelage.compress.shared import shared
from tutelage.compress.variational import kl, variational
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.lesson import Lesson
from tutelage.data.token_windows import token_windows
from tutelage.data.views import jitter, plain
from tutelage.keys import Build
from tutelage.loop import simultaneous
from tutelage.losses.kd import arithmetic
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.methods.by_name import joint, method
from tutelage.methods.language import tokens_in_slabs
from tutelage.methods.response import kd
from tutelage.models.causal_language import CausalLanguageModel, Writer
from tutelage.models.encoder import Encoder
from tutelage.models.masked_language import MaskedLanguageModel
from tutelage.models.shortened import spread_out
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.by_method import JointTeaching, Teaching, by_method
from tutelage.schemes.chain import Link
from tutelage.schemes.distill import distilled, distilled_from_many
from tutelage.schemes.generations import first, generations
from tutelage.schemes.hints import faded, hinted
from tutelage.schemes.imitated import imitated
from tutelage.schemes.masked_language import Reading, distilled_language, with_a_head
from tutelage.schemes.mutual import from_mean, mutual
from tutelage.schemes.own_texts import on_own_texts
from tutelage.schemes.paths import taught_along_paths
from tutelage.schemes.penalised import Penalty, penalised
from tutelage.schemes.plan import Plan
from tutelage.schemes.probe import probed, tuned
from tutelage.schemes.pruned import Thinning, recovered, thinned, with_small_norms
from tutelage.schemes.quantisation_aware import quantisation_aware
from tutelage.schemes.search import search
from tutelage.schemes.shared import with_shared_weights
from tutelage.schemes.static_labels import with_static_labels
from tutelage.schemes.supervised import supervised
from tutelage.schemes.written_texts import nearest, on_written_texts
from tutelage.stages.storage import Finished
from tutelage.tasks.language import LANGUAGE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Nothing to merge"),  # of schemes with one loss, which no rule changes
]
BATCHES, EPOCHS = 4, 2


def drawn(count: int, seed: int) -> Labelled:
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(5, (count,), generator=g), tuple("abcde"))


def net(width: int, dropout: float = 0.0) -> nn.Module:
    layers: dict[str, nn.Module] = {"middle": nn.Conv2d(1, width, 3, padding=1), "norm": nn.BatchNorm2d(width)}
    layers |= {"relu": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten()}
    return nn.Sequential(OrderedDict(layers, dropout=nn.Dropout(dropout), head=nn.Linear(4 * width, 5)))


LESSON = Lesson(drawn(40, 0), drawn(20, 1), partial(stopping, transform=jitter), 25, batch_size=40 // BATCHES, seed=3)
PLAN = Plan(LESSON, partial(sgd, lr=0.02), EPOCHS)
SOFT = {"temperature": 4.0, "label": 0.1, "soft": 0.9}
LARGE, SMALL = partial(net, 16), partial(net, 8, dropout=0.2)


def teachers(run: Run, count: int = 1, build: Build = LARGE) -> list[nn.Module]:
    """Trained on other views: no signal is meant for them."""
    plan = Plan(Lesson(drawn(40, 0), batch_size=20), partial(sgd, lr=0.05), 1)
    return [run.stage(f"teacher {k}", build, partial(supervised, plan=plan), seed=k).last for k in range(count)]


def student(run: Run, scheme: Callable[..., None], **settings: Any) -> dict[str, Finished]:
    return {"student": run.stage("student", SMALL, partial(scheme, plan=PLAN, **settings), seed=7)}


def of_one(run: Run, scheme: Callable[..., None], **settings: Any) -> dict[str, Finished]:
    return student(run, scheme, teacher=teachers(run)[0], **settings)


def taught(run: Run, **settings: Any) -> dict[str, Finished]:
    return student(run, by_method, teaching=Teaching(kd, teachers(run)[0], ("net", "net"), **settings))


def without_labels(run: Run, **settings: Any) -> dict[str, Finished]:
    plan = replace(PLAN, lesson=replace(LESSON, train=LESSON.train.unlabelled()))
    teaching = Teaching(method("kd+at"), teachers(run)[0], ("net", "net"), **settings)
    return {"student": run.stage("student", SMALL, partial(by_method, plan=plan, teaching=teaching), seed=7)}


def believed(run: Run, **settings: Any) -> dict[str, Finished]:
    teaching = Teaching(kd, teachers(run)[0], ("net", "net"), **settings)
    fit = partial(penalised, plan=PLAN, teaching=teaching, penalties={"kl": Penalty(kl)})
    return {"student": run.stage("student", partial(variational, SMALL), fit, seed=7)}


def aware(run: Run, **settings: Any) -> dict[str, Finished]:
    (start,) = teachers(run, build=SMALL)
    teaching = Teaching(kd, start, ("net", "net"), **settings)
    build = partial(fake_quantised, SMALL, sample=(1, 6, 6))
    fit = partial(quantisation_aware, plan=PLAN, start=start, teaching=teaching)
    return {"student": run.stage("student", build, fit, seed=7)}


def born_again(run: Run, **settings: Any) -> dict[str, Finished]:
    teaching = Teaching(method("ban_labels"), teachers(run)[0], ("net", "net"), **settings)
    return {one.name: one for one in first(generations(run, SMALL, PLAN, teaching), 2)}


def assisted(run: Run, **settings: Any) -> dict[str, Finished]:
    def link(path: tuple[int, ...]) -> Link:
        soft = partial(distilled, plan=PLAN, **SOFT, **settings)
        return Link(f"{path}", partial(net, path[-1]), lambda teacher: partial(soft, teacher=teacher))

    return {str(path): one for path, one in taught_along_paths(run, teachers(run)[0], (16, 8, 4), link)}


def searched(run: Run, **settings: Any) -> dict[str, Finished]:
    (teacher,) = teachers(run)
    fit = partial(search, plan=PLAN, teaching=Teaching(kd, teacher, ("net", "net"), **settings), start=teacher)
    build = partial(gated, LARGE, sample=(1, 6, 6))
    return {"student": run.stage("student", build, partial(fit, budget=budget("a third")), seed=7)}


def pruned(run: Run, scheme: Callable[..., None], settings: dict[str, Any], **by: Any) -> dict[str, Finished]:
    teaching = Teaching(kd, teachers(run)[0], ("net", "net"), **by)
    fit = partial(scheme, plan=PLAN, start=teachers(run)[0], teaching=teaching, **settings)
    return {"student": run.stage("student", LARGE, fit, seed=7)}


def block_by_block(run: Run, **by: Any) -> dict[str, Finished]:
    start, original = teachers(run, 2)
    fit = partial(imitated, plan=PLAN, start=start, original=original, blocks=["middle"], **by)
    return {"student": run.stage("student", LARGE, fit, seed=7)}


def clustered(run: Run, **by: Any) -> dict[str, Finished]:
    (teacher,) = teachers(run)
    fit = partial(with_shared_weights, plan=PLAN, start=teacher, teaching=Teaching(kd, teacher, ("net", "net"), **by))
    return {"student": run.stage("student", partial(shared, LARGE, bits={"*": 4}), fit, seed=7)}


def texts(count: int, seed: int) -> Labelled:
    row = torch.randint(12, (8 * count + 1,), generator=torch.Generator().manual_seed(seed))
    return labelled("texts", *token_windows(row, 8))


def on_policy(run: Run, **by: Any) -> dict[str, Finished]:
    lesson = Lesson(texts(40, 0), texts(20, 1), partial(stopping, transform=plain), batch_size=40 // BATCHES, seed=3)
    plan = Plan(lesson, partial(sgd, lr=0.1), EPOCHS, task=LANGUAGE)
    large, small = (partial(CausalLanguageModel, 1, width, 2, 0, 12, 8) for width in (16, 8))
    untouched = replace(plan, lesson=Lesson(texts(40, 0), batch_size=20))
    teacher = run.stage("teacher of texts", large, partial(supervised, plan=untouched), seed=0).last
    teaching = Teaching(partial(tokens_in_slabs, loss=reverse_kl), teacher, ("large", "small"), **by)
    fit = partial(on_own_texts, plan=plan, teaching=teaching, writer=Writer, prompt=3, share=0.5)
    return {"student": run.stage("student", small, fit, seed=7)}


def on_texts_of_the_teacher(run: Run, **by: Any) -> dict[str, Finished]:
    teacher = run.given("a teacher that writes", partial(CausalLanguageModel, 1, 16, 2, 0, 12, 8)).last
    lesson = Lesson(texts(40, 0), texts(20, 1), batch_size=40 // BATCHES, seed=3)
    plan = Plan(lesson, partial(interrupted, lr=0.1), EPOCHS, task=LANGUAGE)
    writes = partial(on_written_texts, plan=plan, teacher=teacher, writer=Writer, prompt=3, beams=2, choose=nearest)
    fit = partial(writes, fit=partial(supervised, **by)) if by else writes
    return {"student": run.stage("student", partial(CausalLanguageModel, 1, 8, 2, 0, 12, 8), fit, seed=7)}


def interrupted(named: Any, *, lr: float) -> torch.optim.Optimizer:
    """An optimizer in whose steps the signal comes that views send elsewhere: texts have no views."""
    optimizer = sgd(named, lr=lr)
    optimizer.register_step_pre_hook(lambda *_: stopping(None, None))
    return optimizer


def languages(layers: int, types: int = 0) -> MaskedLanguageModel:
    return MaskedLanguageModel(Encoder(layers, 8, 2, 8, vocabulary=12, positions=8, types=types))


def read(run: Run, scheme: Callable[..., None], **settings: Any) -> dict[str, Finished]:
    windows = labelled("windows", texts(40, 0).inputs.clamp_min(5), torch.empty(40, 0))
    reading = Reading(windows, None, (0, 1, 2, 3, 4), 12, partial(interrupted, lr=0.1), EPOCHS, batch_size=10)
    return {
        "student": run.stage("student", partial(languages, 2), partial(scheme, reading=reading, **settings), seed=7)
    }


def with_head(run: Run, **by: Any) -> dict[str, Finished]:
    encoder = run.given("encoder", partial(Encoder, 2, 8, 2, 8, vocabulary=12, positions=8, types=0)).last
    return read(run, with_a_head, encoder=encoder, **by)


def distilled_from_language(run: Run, **by: Any) -> dict[str, Finished]:
    teacher = run.given("teacher of a language", partial(languages, 4)).last
    return read(run, distilled_language, teacher=teacher, pick=spread_out, **by)


def peers(run: Run, **settings: Any) -> dict[str, Finished]:
    builds = {"a": SMALL, "b": LARGE, "c": SMALL}
    return run.peers("peers", builds, partial(mutual, plans=dict.fromkeys(builds, PLAN), **settings), seed=7)


FADING = {"temperature": 3.0, "first": 4.0, "last": 1.0, "start": None}
SCHEMES: dict[str, Callable[..., dict[str, Finished]]] = {
    "supervised": lambda run, **by: student(run, supervised, **by),
    "distilled": lambda run, **by: of_one(run, distilled, **SOFT, **by),
    "distilled_from_many": lambda run, **by: student(
        run, distilled_from_many, teachers=teachers(run, 3), average=arithmetic, **SOFT, **by
    ),
    "by_method": taught,
    "by_method, of several teachers": lambda run, **by: student(
        run, by_method, teaching=JointTeaching(joint("kd"), tuple(teachers(run, 3)), ("net",) * 4, **by)
    ),
    "by_method, without labels": without_labels,
    "penalised": believed,
    "quantisation_aware": aware,
    "with_static_labels": lambda run, **by: student(
        run, with_static_labels, teaching=Teaching(kd, teachers(run)[0], ("net", "net"), **by)
    ),
    "probed": lambda run, **by: student(run, probed, start=None, **by),
    "tuned": lambda run, **by: student(run, tuned, start=teachers(run, build=SMALL)[0], **by),
    "generations": born_again,
    "taught_along_paths": assisted,
    "search": searched,
    "recovered": partial(pruned, scheme=recovered, settings={}),
    "thinned": partial(pruned, scheme=thinned, settings={"thinning": Thinning(0.6)}),
    "thinned, at once": partial(pruned, scheme=thinned, settings={"thinning": Thinning(0.6, rise=0.0)}),
    "with_small_norms": partial(pruned, scheme=with_small_norms, settings={"strength": 0.1}),
    "with_shared_weights": clustered,
    "imitated": block_by_block,
    "on_own_texts": on_policy,
    "on_written_texts": on_texts_of_the_teacher,
    "with_a_head": with_head,
    "distilled_language": distilled_from_language,
    "hinted": lambda run, **by: of_one(run, hinted, guided="middle", hint="middle", **by),
    "faded": lambda run, **by: of_one(run, faded, **FADING, **by),
    "mutual": peers,
    "mutual, at once": partial(peers, turns=simultaneous),
    "mutual, from the mean": partial(peers, learn=from_mean),
}
RULES: dict[str, dict[str, Any]] = {"sum": {}, "upgrad": {"combine": upgrad(Given())}}


def opened(root: Path, name: str) -> Run:
    return Run(f"toy:{name}", root=root, exact=True, device="cpu")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[nn.Module]]:
    """The networks of the teachers that the run trains, with every tensor that could have had a gradient watched."""
    known: list[nn.Module] = []
    train = Run.stage

    def remembering(run: Run, name: str, *arguments: Any, **settings: Any) -> Finished:
        finished = train(run, name, *arguments, **settings)
        known.extend([finished.last] * name.startswith("teacher"))
        return finished

    monkeypatch.setattr(Run, "stage", remembering)
    yield known
    LEFT.clear()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_goes_on_to_the_same_bits_and_leaves_its_teachers_alone(scheme, rule, tmp_path, asked):
    perform, by = SCHEMES[scheme], RULES[rule]
    with opened(tmp_path / "straight", scheme) as run:
        expected = perform(run, **by)
    weights = [bits(network) for network in asked]
    with opened(tmp_path / "broken", scheme) as run:
        teachers(run, 3)
    LEFT[:] = [BATCHES + 3]  # one batch or two are shown before; so this is in the second epoch, behind its first step
    with pytest.raises(SystemExit), opened(tmp_path / "broken", scheme) as run:
        perform(run, **by)
    (checkpoint,) = (tmp_path / "broken").rglob("checkpoint.safetensors")
    assert 0 < load_state(checkpoint)["training"]["position"]["batch"] < BATCHES  # in the middle of an epoch
    with opened(tmp_path / "broken", scheme) as run:
        found = perform(run, **by)
    for name, one in expected.items():
        assert same(bits(found[name].last), bits(one.last)) and same(bits(found[name].best), bits(one.best))
        assert any(value != 0 for losses in one.records[-1]["losses"].values() for value in losses.values())
    assert all(p.grad is None for network in asked for p in network.parameters())
    assert all(same(bits(network), before) for network, before in zip(asked, weights, strict=False))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_rule_is_obeyed(scheme, tmp_path):
    """Of one loss, every rule makes the same; of several, another gradient than their sum."""
    with opened(tmp_path, scheme) as run:
        by_sum, by_rule = (SCHEMES[scheme](run, **by) for by in RULES.values())
    for name, one in by_sum.items():
        losses = next(iter(one.records[-1]["losses"].values()))
        assert same(bits(one.last), bits(by_rule[name].last)) == (len(losses) == 1)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_sum_is_the_rule_where_none_is_given(scheme, tmp_path):
    """And is in no key: what was trained before schemes took rules is found again."""
    with opened(tmp_path, scheme) as run:
        for one in SCHEMES[scheme](run).values():
            folder = run.root / "stages" / one.key.partition("/")[0]
            assert "WeightedSum" not in (folder / "stage.json").read_text()


def is_a_scheme(member: Any) -> bool:
    """Whether it trains in a stage, and does nothing else."""
    if not inspect.isfunction(member):
        return False
    signature = inspect.signature(member)
    return next(iter(signature.parameters), "") == "stage" and signature.return_annotation is None


def test_no_scheme_is_left_out():
    found = {name for module in modules(tutelage.schemes) for name, member in own(module) if is_a_scheme(member)}
    assert len(found) >= 10 and found <= {name.partition(",")[0] for name in SCHEMES}

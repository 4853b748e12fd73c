"""Batches of several inputs: all of a sample in one view, for whoever sees which of them."""

from functools import partial
from hashlib import sha256

import pytest
import torch
from torch import nn

from examples import SGD
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.lesson import Lesson
from tutelage.data.split import held_out
from tutelage.data.together import NO_TARGET, together
from tutelage.data.views import CROP_FLIPS, crop_flip, in_order, normalised, plain, split, views
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.measures.latency import latency
from tutelage.measures.predict import predict
from tutelage.objective import Objective, Term
from tutelage.recipes.cifar100.images import in_both, in_colours, in_lightness
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.evaluated import Evaluated, evaluate
from tutelage.study.sets import Sets
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import folded, frozen, on

COUNT = 12
G = torch.Generator().manual_seed(6)
COLOUR = torch.randint(0, 256, (COUNT, 3, 12, 12), dtype=torch.uint8, generator=G)
DEPTH = torch.rand(COUNT, 1, 12, 12, generator=G)
SET = labelled("both", COLOUR, torch.arange(COUNT) % 3, tuple("abc"), depth=DEPTH)
BATCHES = partial(views, num_views=CROP_FLIPS, batch_size=5, seed=2)


def net(channels, classes=3):
    torch.manual_seed(channels)
    conv = nn.Conv2d(channels, 4, 3, padding=1, bias=False)
    layers = conv, nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4, classes))


def marked(channels, dtype):
    """Pictures that are black but for one pixel each, elsewhere in each picture."""
    pictures = torch.zeros(COUNT, channels, 12, 12, dtype=dtype)
    for i in range(COUNT):
        pictures[i, :, 4 + i % 4, 4 + i // 4] = 255 if dtype == torch.uint8 else 1
    return pictures


def places(pictures):
    """Where each picture is brightest, as the place of a pixel."""
    return pictures.sum(1).flatten(1).argmax(1)


@pytest.mark.parametrize(
    "transform", [crop_flip, {"input": normalised(crop_flip, (0.5,) * 3, (0.2,) * 3), "depth": crop_flip}]
)
def test_a_marked_pixel_travels_alike_in_all_inputs_of_a_set(transform):
    data = labelled("marked", marked(3, torch.uint8), torch.arange(COUNT), depth=marked(1, torch.float32))
    moved = set()
    for batch in (batch for epoch in range(5) for batch in BATCHES(data, transform)(epoch, 0)):
        assert torch.equal(places(batch["input"]), places(batch["depth"]))
        assert batch["input"].shape[1] == 3 and batch["depth"].shape[1] == 1
        moved |= set(places(batch["depth"]).tolist())
    assert len(moved) > COUNT  # they did travel


def test_a_marked_pixel_travels_alike_in_the_parts_of_one_picture():
    coloured = marked(3, torch.uint8)
    coloured[:, 1:] = 0  # red: light and coloured, on black
    for batch in BATCHES(labelled("red", coloured, torch.arange(COUNT)), in_both(crop_flip))(3, 0):
        assert batch["input"].shape[1:] == (2, 12, 12) and batch["luminance"].shape[1:] == (1, 12, 12)
        assert torch.equal(places(batch["input"]), places(batch["luminance"]))


def test_both_parts_are_what_networks_of_one_of_them_see():
    args = COLOUR, torch.arange(COUNT) * 7
    both = in_both(crop_flip)(*args)
    assert torch.equal(both["input"], in_colours(crop_flip)(*args)["input"])
    assert torch.equal(both["luminance"], in_lightness(crop_flip)(*args)["input"])


def test_a_part_of_a_set_shows_the_samples_as_the_whole_does():
    whole = {}
    for batch in BATCHES(SET, crop_flip)(0, 0):
        whole |= dict(zip(batch["index"].tolist(), batch["depth"], strict=True))
    for batch in BATCHES(SET[torch.tensor([7, 2, 9])], crop_flip)(0, 0):
        assert all(torch.equal(whole[int(i)], x) for i, x in zip(batch["index"], batch["depth"], strict=True))


def test_a_set_of_one_input_has_the_batches_and_the_checksum_that_it_always_had():
    data = labelled("one", COLOUR, torch.arange(COUNT) % 3, tuple("abc"))
    (batch, *_) = BATCHES(data, crop_flip)(0, 0)
    assert list(batch) == ["input", "target", "index", "view"]
    digest = sha256(repr((data.name, data.classes)).encode())
    for part in (data.inputs, data.targets, data.index):
        digest.update(f"{part.dtype} {list(part.shape)}".encode())
        digest.update(part.contiguous().flatten().view(torch.uint8).numpy().data)
    assert data.checksum == digest.hexdigest() != SET.checksum


def test_another_depth_or_another_name_of_it_is_another_set():
    nearer = labelled("both", COLOUR, SET.targets, SET.classes, depth=DEPTH + 1)
    renamed = labelled("both", COLOUR, SET.targets, SET.classes, far=DEPTH)
    assert len({SET.checksum, nearer.checksum, renamed.checksum}) == 3
    assert SET.to("cpu").checksum == SET.checksum


def test_inputs_of_different_lengths_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"one of each further input; 'x' has .*'inputs': 12, .*'depth': 11}\.$"):
        labelled("x", COLOUR, torch.arange(COUNT), depth=DEPTH[:-1])


@pytest.mark.parametrize("name", ["input", "target", "index", "view"])
def test_an_input_called_what_a_batch_has_already_is_refused(name):
    with pytest.raises(ValueError, match=rf"have \['{name}'\] already; give its other inputs other names\.$"):
        Labelled("x", COLOUR, torch.arange(COUNT), torch.arange(COUNT), (), {name: DEPTH})


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        ({"input": crop_flip}, r"Each of the inputs \['depth', 'input'\] has its transform; .* \['input'\]\."),
        (lambda x, _view: x[1:], "A batch of 5 samples has inputs of other lengths"),
    ],
)
def test_transforms_that_do_not_fit_are_refused(transform, words):
    with pytest.raises(ValueError, match=words):
        next(iter(BATCHES(SET, transform)(0, 0)))


def test_a_network_of_another_input_is_trained_and_asked_as_any_other():
    deep = SET.seen_as("depth")
    assert torch.equal(deep.inputs, DEPTH) and not deep.others and torch.equal(deep.targets, SET.targets)
    assert predict(net(1), deep).shape == (COUNT, 3)
    with pytest.raises(ValueError, match=r"'both' has no other input 'sound'; it has \['depth'\]\."):
        SET.seen_as("sound")


@pytest.mark.parametrize("ask", [frozen, folded])
def test_a_teacher_sees_the_input_that_it_is_called_on(ask):
    teacher = net(1).eval()
    batch = next(iter(BATCHES(SET, crop_flip)(0, 0)))
    shown = ask(teacher, on("depth"))({"batch": batch}, frozenset({"0", "output"}))
    torch.testing.assert_close(shown["output"], teacher(batch["depth"]))
    assert on("input") is not on("depth") and on("input") is on("input")


def test_peers_that_see_different_inputs_learn_from_each_other():
    def peer(channels, name, other):
        soft = Term(soft_targets, "student.output", f"{other}.output")
        return Learner(net(channels), Objective(soft=soft), SGD, call=on(name))

    cast = {"colour": peer(3, "input", "depth"), "depth": peer(1, "depth", "colour")}
    before = {name: [p.clone() for p in learner.student.parameters()] for name, learner in cast.items()}
    list(train(cast, BATCHES(SET.unlabelled(), crop_flip), 1))
    for name, learner in cast.items():
        assert all(not torch.equal(p, q) for p, q in zip(learner.student.parameters(), before[name], strict=True))


def test_a_teacher_of_an_input_that_is_not_there_is_refused_before_anything_is_trained():
    terms = Objective(soft=Term(soft_targets, "student.output", "teacher.output"))
    learner = Learner(net(3), terms, SGD, teachers={"teacher": frozen(net(1), on("depht"))})
    with pytest.raises(ValueError, match=r"Teacher 'teacher' .* called with the batch's 'depht'; this batch has"):
        train({"student": learner}, BATCHES(SET, crop_flip), 1)


def test_a_cache_answers_for_each_view_what_the_teacher_of_depth_would():
    teacher, few = net(1).eval(), 3
    source = views(SET, crop_flip, num_views=few, batch_size=COUNT, seed=2)
    live, kept = frozen(teacher, on("depth")), cached(frozen(teacher, on("depth")), samples=COUNT, views=few)
    answers = {}
    for batch in (batch for epoch in range(8) for batch in source(epoch, 0)):
        scene, wanted = {"batch": batch}, frozenset({"output"})
        assert torch.equal(kept(scene, wanted)["output"], live(scene, wanted)["output"])
        answers |= dict.fromkeys(zip(batch["index"].tolist(), batch["view"].tolist(), strict=True))
    assert len(answers) > 2 * COUNT


def test_samples_without_labels_have_no_target_in_their_batches_and_keep_their_numbers():
    rest, few = held_out(SET, 4)
    free = rest.unlabelled()
    assert all("target" not in batch for batch in BATCHES(free, crop_flip)(0, 0))
    assert torch.equal(free.index, rest.index) and not set(free.index.tolist()) & set(few.index.tolist())
    assert free.has_targets is False and rest.has_targets and free.classes == ()
    assert all("target" in batch for batch in BATCHES(rest, crop_flip)(0, 0))


def test_two_sets_that_differ_in_labels_alone_are_one_without_them():
    others = labelled("both", COLOUR, (torch.arange(COUNT) + 1) % 3, SET.classes, depth=DEPTH)
    assert others.checksum != SET.checksum and others.unlabelled().checksum == SET.unlabelled().checksum


def test_labelled_and_unlabelled_samples_go_together():
    parts = {
        "labelled": in_order(SET, batch_size=6),
        "rest": in_order(SET.unlabelled().numbered_from(12), batch_size=6),
    }
    batch = next(iter(together(**parts)(0, 0)))
    assert batch["target"].tolist() == [0, 1, 2, 0, 1, 2, *[NO_TARGET] * 6] and len(batch["depth"]) == 12


def test_labels_where_there_are_none_are_refused_before_anything_is_trained(tmp_path):
    plan = Plan(Lesson(SET.unlabelled(), transform=plain, batch_size=5), SGD, 1)
    with Run("toy:free", root=tmp_path, device="cpu") as run:
        with pytest.raises(ValueError, match=r"The samples of 'both' have no labels, and 'label' compares with them"):
            run.stage("s", partial(net, 3), partial(supervised, plan=plan))
        assert not list((tmp_path / "stages").glob("*/student*"))


def test_latency_is_of_what_each_network_sees():
    models = {"colour": net(3), "depth": net(1)}
    examples = {"colour": torch.rand(2, 3, 8, 8), "depth": torch.rand(2, 1, 8, 8)}
    clocks = latency(models, examples, batch_sizes=(1,), rounds=2, warm_up=0)
    assert clocks.keys() == models.keys() and all(x["1"]["median"] > 0 for x in clocks.values())
    with pytest.raises(ValueError, match="a tensor of samples; got a dict with 'colour'"):
        latency(models, {"colour": examples["colour"]}, rounds=2)


def test_networks_are_measured_on_what_they_see(tmp_path):
    colour = Sets(SET, None, SET, test_transform={"input": plain, "depth": plain})
    depth = Sets(SET.seen_as("depth"), None, SET.seen_as("depth"))
    with Run("toy:seen", root=tmp_path, device="cpu", exact=True) as run:
        cast = {}
        for role, name, sets, channels in (("teacher", "deep", depth, 1), ("student", "coloured", colour, 3)):
            plan = Plan(Lesson(sets.train, transform=sets.test_transform, batch_size=6), SGD, 1)
            made = run.stage(name, partial(net, channels), partial(supervised, plan=plan))
            cast[name] = Evaluated(role, name, made, None if sets is colour else sets)
    measured, _ = evaluate(cast, colour)
    for network, data, channels in zip(measured, (depth, colour), (1, 3), strict=True):
        answers = predict(cast[network.name].finished.last, data.test, transform=data.test_transform)
        assert network.scores["errors"].value == int((answers.argmax(1) != SET.targets).sum())
        assert network.macs == channels * 4 * 9 * 144 + 4 * 3 and network.latency_ms and not network.notes
    assert measured[1].agreement is not None


def test_split_gives_channels_by_name():
    parts = split(plain, input=(2, 0), middle=(1,))(COLOUR, torch.zeros(COUNT))
    assert torch.equal(parts["input"], COLOUR[:, [2, 0]]) and torch.equal(parts["middle"], COLOUR[:, 1:2])

"""Whoever is on stage beside the learners."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from examples import SGD, bits, cnn, kd, mlp, run, same, vectors
from tutelage.data.draws import in_turn
from tutelage.data.labelled import labelled
from tutelage.data.views import crop_flip, views
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import arithmetic, averaged_targets, geometric, soft_targets
from tutelage.models.resnet import resnet8, resnet20
from tutelage.teachers.cache_layout import CacheLayout
from tutelage.teachers.cached import FEWEST, cached, only_unseen, weights_hash
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.forms import dense, top
from tutelage.teachers.frozen import folded, frozen, on_input
from tutelage.teachers.stores import in_folder, in_memory

pytestmark = pytest.mark.slow

X = torch.arange(24 * 3 * 8 * 8.0).reshape(24, 3, 8, 8).sin()
OUTPUT = frozenset({"output"})
FLOAT32 = dense()
KEY = {"weights": "a" * 64, "data": "digits", "transform": "crop_flip"}


def scene(index, view, inputs=X):
    """Samples ``index``, shifted in brightness by their view."""
    index, view = torch.as_tensor(index), torch.as_tensor(view)
    shown = inputs[index] + view.reshape(-1, 1, 1, 1)
    return {"batch": {"input": shown, "index": index, "view": view}}


def everyone(view=0):
    return scene(range(24), [view] * 24)


def connected(width, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, width), nn.ReLU(), nn.Linear(width, 5))


def one_by_one(network, scene):
    """Rows whose bits do not depend on their place in the batch; those of a matrix product do on some processors."""
    return {"output": torch.cat([network(x)["output"] for x in scene["batch"]["input"].split(1)])}


def assert_near(left, right):
    """Up to rounding, whatever the size: of 1e-7 each, in sums of some hundred."""
    assert (left - right).norm() <= 1e-4 * right.norm()


class Counted:
    """A teacher, and what it was asked: (rows, wanted)."""

    def __init__(self, ask):
        self.teacher, self.asked = ask, []

    def __call__(self, scene, wanted):
        self.asked.append((len(scene["batch"]["input"]), wanted))
        return self.teacher(scene, wanted)


class TestFrozen:
    def test_shows_what_is_wanted_in_eval_mode_and_without_gradient(self):
        teacher = cnn(8)
        ask = frozen(teacher)
        assert set(ask({"batch": {"input": X}}, frozenset({"2", "8:input"}))) == {"2", "8:input"}
        shown = ask({"batch": {"input": X}}, OUTPUT)
        assert set(shown) == {"output"} and not shown["output"].requires_grad
        with torch.no_grad():
            assert torch.equal(shown["output"], teacher.eval()(X))

    @pytest.mark.parametrize("wanted", [{"output"}, {"2", "9"}, {"nowhere"}])
    def test_leaves_every_module_as_it_was_even_if_the_call_fails(self, wanted):
        teacher = cnn(8).train()
        teacher[1].eval()
        teacher[0].requires_grad_(False)
        modes = [module.training for module in teacher.modules()]
        trainable, before = [p.requires_grad for p in teacher.parameters()], bits(teacher)

        def call(_model, _scene):
            raise KeyError("broken")

        for ask in (frozen(teacher), frozen(teacher, call)):
            with suppress(KeyError, ValueError):
                ask({"batch": {"input": X}}, frozenset(wanted))
        assert [module.training for module in teacher.modules()] == modes
        assert [p.requires_grad for p in teacher.parameters()] == trainable and same(bits(teacher), before)
        assert torch.is_grad_enabled()
        if wanted == {"output"}:
            assert not any(m._forward_hooks or m._forward_pre_hooks for m in teacher.modules())

    def test_a_layer_used_twice_is_refused_even_if_nobody_reads_on(self):
        relu = nn.ReLU()
        with pytest.raises(ValueError, match="ran twice"):
            frozen(nn.Sequential(relu, relu))({"batch": {"input": X}}, frozenset({"0"}))


def settled(model, inputs):
    """``model`` with the statistics of ``inputs`` in its norms."""
    with torch.no_grad():
        for _ in range(20):
            model.train()(inputs)
    return model


def smooth(model):
    """Its units have no jump in their gradient, at which rounding would decide."""
    for module in model.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.SiLU())
    return model


class TestFolded:
    WANTED = (OUTPUT, frozenset({"0", "1:input", "4"}), frozenset({"1", "2", "8:input", "output"}))

    @pytest.mark.parametrize("wanted", WANTED)
    def test_shows_what_frozen_shows(self, wanted):
        teacher = settled(cnn(8), X)
        there, here = frozen(teacher)(everyone(), wanted), folded(teacher)(everyone(), wanted)
        assert here.keys() == wanted
        for what in wanted:
            assert_near(here[what], there[what])
            assert not here[what].requires_grad

    def test_leaves_the_teacher_as_it_is(self):
        teacher = settled(cnn(8), X)
        before = bits(teacher)
        folded(teacher)(everyone(), OUTPUT)
        assert same(bits(teacher), before) and all(module.training for module in teacher.modules())
        assert all(p.requires_grad for p in teacher.parameters())
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in teacher.modules())

    def test_is_made_once_for_each_set_of_layers(self):
        calls = []

        def call(network, scene):
            calls.append(network)
            return network(scene["batch"]["input"])

        ask = folded(cnn(8), call)
        for wanted in 2 * self.WANTED:
            ask(everyone(), wanted)
        assert len(calls) == 3 * 2 + 3 and len({id(network) for network in calls}) == 3 * 2
        assert not [m for m in calls[1].modules() if isinstance(m, nn.BatchNorm2d)]

    @pytest.mark.parametrize("change", ["step", "statistics", "loaded"])
    def test_never_answers_for_weights_that_are_gone(self, change):
        teacher = settled(cnn(8), X)
        ask = folded(teacher)
        first = ask(everyone(), OUTPUT)["output"]
        if change == "step":
            teacher(X).square().sum().backward()
            torch.optim.SGD(teacher.parameters(), lr=1e-3, fused=True).step()
        elif change == "statistics":
            settled(teacher, X + 1)
        else:
            teacher.load_state_dict(settled(cnn(8, seed=1), X).state_dict())
        second, live = (x(everyone(), OUTPUT)["output"] for x in (ask, frozen(teacher)))
        assert_near(second, live)
        assert (second - first).norm() > 1e-3 * first.norm()

    def test_refuses_what_frozen_refuses(self):
        relu = nn.ReLU()
        with pytest.raises(ValueError, match="ran twice"):
            folded(nn.Sequential(relu, relu))({"batch": {"input": X}}, frozenset({"0"}))
        with pytest.raises(ValueError, match="no layer '99'"):
            folded(cnn(8))(everyone(), frozenset({"99"}))

    def test_computes_in_half_precision_where_it_is_asked_to(self):
        teacher = settled(cnn(8), X)
        with torch.autocast("cpu", torch.bfloat16):
            there, here = (kind(teacher)(everyone(), OUTPUT)["output"] for kind in (frozen, folded))
        assert here.dtype is torch.bfloat16
        assert (here - there).norm() <= 0.03 * there.norm()

    def test_can_be_cached(self):
        live = folded(settled(cnn(8), X))
        ask = cached(live, samples=24, views=1)
        for _ in range(2):
            assert torch.equal(ask(everyone(), OUTPUT)["output"], live(everyone(), OUTPUT)["output"])

    def test_in_the_layout_of_convolutions_a_step_has_the_loss_and_gradients_of_the_plain_one(self):
        inputs, labels = torch.randn(8, 3, 16, 16).double(), torch.arange(8) % 5
        teacher = settled(resnet20(num_classes=5).double(), inputs)
        found = []
        for kind, layout in ((frozen, torch.contiguous_format), (folded, torch.channels_last)):
            torch.manual_seed(4)
            student = smooth(resnet8(num_classes=5)).double().to(memory_format=layout)
            ask = kind(deepcopy(teacher).to(memory_format=layout))
            learner = Learner(student, kd(), partial(torch.optim.SGD, lr=0.1), teachers={"teacher": ask})
            epoch = run(train({"student": learner}, [{"input": inputs, "target": labels}], 1))
            gradients = torch.cat([p.grad.flatten() for p in student.parameters()])
            losses = epoch.losses["student"]
            found.append((0.1 * losses["label"] + 0.9 * losses["soft"], gradients))
        (plain_loss, plain), (fast_loss, fast) = found
        assert fast_loss == pytest.approx(plain_loss, rel=1e-6)
        assert (fast - plain).norm() <= 1e-9 * plain.norm()


class TestEnsemble:
    def test_stacks_and_the_loss_averages(self):
        members = [mlp(16, seed=i) for i in range(3)]
        logits = ensemble([frozen(m) for m in members])({"batch": vectors(1)[0]}, OUTPUT)["output"]
        assert logits.shape == (3, 8, 5)
        student = torch.randn(8, 5)
        mean = (logits / 2).softmax(-1).mean(0).log() * 2
        torch.testing.assert_close(averaged_targets(student, logits, 2.0, arithmetic), soft_targets(student, mean, 2.0))
        torch.testing.assert_close(
            averaged_targets(student, logits, 2.0, geometric), soft_targets(student, logits.mean(0), 2.0)
        )

    def test_needs_a_member(self):
        with pytest.raises(ValueError, match="at least 1 member"):
            ensemble([])

    def test_members_of_other_classes_are_refused(self):
        teacher = ensemble([frozen(mlp(16)), frozen(nn.Linear(8, 7))])
        with pytest.raises(ValueError, match=r"answer alike, .*; 'output' of these is \(8, 5\), \(8, 7\): leave out"):
            teacher({"batch": vectors(1)[0]}, OUTPUT)

    def test_of_cached_members_is_the_ensemble(self):
        members = [frozen(cnn(4, seed=i)) for i in range(3)]
        remembered = ensemble([cached(member, samples=24, views=2) for member in members])
        for _ in range(2):
            assert torch.equal(
                remembered(everyone(1), OUTPUT)["output"], ensemble(members)(everyone(1), OUTPUT)["output"]
            )


class TestCached:
    @pytest.fixture(params=["memory", "folder"])
    def place(self, request, tmp_path):
        return in_memory if request.param == "memory" else in_folder(tmp_path / "cache", KEY)

    @pytest.mark.parametrize("net", [cnn, connected])
    def test_teaches_as_the_live_teacher_does_bit_for_bit(self, net, place):
        """Batches of 125, shuffled anew in each of 6 epochs, in 3 views in turn: half of the epochs need no teacher."""
        inputs = torch.randn(500, 3, 8, 8, generator=torch.Generator().manual_seed(2))
        data = labelled("noise", inputs, torch.arange(500) % 5)
        source = views(data, crop_flip, num_views=3, batch_size=125, seed=1, choose=in_turn)
        live = Counted(frozen(net(8), one_by_one))
        students = []
        for ask in (live, cached(live, samples=500, views=3, place=place)):
            before = len(live.asked)
            students.append(net(4, seed=3))
            run(train({"student": Learner(students[-1], kd(), SGD, teachers={"teacher": ask})}, source, 6))
        assert same(bits(students[0]), bits(students[1]))
        assert len(live.asked) - before == 3 * 4

    def test_never_answers_for_another_sample_or_view(self, place):
        live = frozen(cnn(8))
        ask = cached(live, samples=24, views=5, place=place)
        for view in (3, 0, 4, 3, 0, 4):
            shuffled = torch.randperm(24)
            answer = ask(scene(shuffled, [view] * 24), OUTPUT)["output"]
            torch.testing.assert_close(answer, live(scene(shuffled, [view] * 24), OUTPUT)["output"])

    def test_keeps_the_first_answer_and_asks_only_about_what_is_lacking(self, place):
        live = Counted(frozen(cnn(8)))
        ask = cached(live, samples=24, views=2, place=place)
        first = ask(scene([3, 5, 7, 9], [0, 1, 0, 1]), OUTPUT)["output"]
        assert torch.equal(ask(scene([9, 3], [1, 0]), OUTPUT)["output"], first[[3, 0]])
        assert [rows for rows, _ in live.asked] == [4]
        assert torch.equal(ask(scene([9, 9], [0, 1]), OUTPUT)["output"][1], first[3])
        ask(scene([9, 3], [1, 0]), frozenset({"output", "2", "8:input"}))
        assert live.asked[1:] == [(2, OUTPUT), (2, frozenset({"2", "8:input"}))]

    def test_keeps_features_of_any_shape(self, place):
        live, wanted = frozen(cnn(8)), frozenset({"2", "8:input", "output"})
        ask = cached(live, samples=24, views=1, place=place)
        ask(everyone(), wanted)
        answers, shown = ask(everyone(), wanted), live(everyone(), wanted)
        assert all(torch.equal(answers[what], shown[what]) for what in wanted) and answers["2"].shape == (24, 8, 8, 8)

    def test_may_be_asked_about_one_view_of_one_sample_twice_in_a_batch(self, place):
        ask = cached(frozen(cnn(8)), samples=24, views=1, place=place)
        for _ in range(2):
            answer = ask(scene([4, 4, 1], [0, 0, 0]), OUTPUT)["output"]
            assert torch.equal(answer[0], answer[1]) and not torch.equal(answer[0], answer[2])

    def test_with_nobody_to_ask_answers_what_it_has_and_refuses_the_rest(self, tmp_path):
        place = in_folder(tmp_path / "cache", KEY)
        shown = cached(frozen(cnn(8)), samples=24, views=2, place=place)(everyone(1), OUTPUT)["output"]
        silent = cached(None, samples=24, views=2, place=place)
        assert torch.equal(silent(everyone(1), OUTPUT)["output"], shown)
        with pytest.raises(ValueError, match=r"lacks \['output'\] for 1 of 2 samples, such as sample 8 in view 0"):
            silent(scene([4, 8], [1, 0]), OUTPUT)
        with pytest.raises(ValueError, match=r"lacks \['2'\]"):
            silent(everyone(1), frozenset({"output", "2"}))
        with pytest.raises(ValueError, match="no teacher to ask"):
            cached(None, samples=24, views=2)(everyone(), OUTPUT)

    def test_asks_only_about_unseen_rows_on_request_but_never_about_a_few(self):
        live, inputs = Counted(frozen(cnn(8))), torch.randn(200, 3, 8, 8)
        ask = cached(live, samples=200, views=1, choose=only_unseen)
        ask(scene(range(100), [0] * 100, inputs), OUTPUT)
        both = scene(range(200), [0] * 200, inputs)
        answer = ask(both, OUTPUT)["output"]
        torch.testing.assert_close(answer, live(both, OUTPUT)["output"])
        unseen = torch.zeros(100, dtype=torch.bool)
        unseen[[7, 70]] = True
        assert [rows for rows, _ in live.asked[:2]] == [100, 100]
        assert {7, 70} <= set(only_unseen(unseen).tolist()) and len(only_unseen(unseen)) == FEWEST
        assert only_unseen(unseen[68:72]).tolist() == [0, 1, 2, 3]

    def test_can_be_filled_under_any_kind_of_teacher_without_a_gradient(self):
        model = cnn(8)

        def talkative(scene, _wanted):
            return {"output": model(scene["batch"]["input"]), "aside": torch.ones(1)}

        assert not cached(talkative, samples=24, views=1)(everyone(), OUTPUT)["output"].requires_grad

    @pytest.mark.parametrize(
        ("batch", "sentence"),
        [
            ({"input": X}, r"lacks \['index', 'view'\]"),
            (scene([0], [3])["batch"], "room for samples 0 to 23 in views 0 to 2; the batch holds view 3"),
            (scene([0, 1], [0, -1])["batch"], "holds view -1"),
            ({**scene([0], [0])["batch"], "index": torch.tensor([24])}, "holds sample 24"),
        ],
    )
    def test_refuses_batches_that_it_cannot_place(self, batch, sentence):
        with pytest.raises(ValueError, match=sentence):
            cached(frozen(cnn(8)), samples=24, views=3)({"batch": batch}, OUTPUT)

    def test_refuses_what_it_cannot_keep(self):
        with pytest.raises(ValueError, match="at least 1 sample"):
            cached(None, samples=0, views=1)
        with pytest.raises(ValueError, match="cache each member"):
            cached(ensemble([frozen(cnn(4)), frozen(cnn(4))]), samples=24, views=1)
        for shown in ({"output": torch.ones(3)}, {}, {"output": torch.ones(24, 5).long()}, {"output": torch.ones(())}):
            with pytest.raises(ValueError, match="one row of real numbers for each of the 24 samples"):
                cached(lambda _scene, _wanted, shown=shown: shown, samples=24, views=1)(everyone(), OUTPUT)
        lengths = iter([5, 6])
        changing = cached(lambda _scene, _wanted: {"output": torch.ones(24, next(lengths))}, samples=24, views=2)
        changing(everyone(0), OUTPUT)
        with pytest.raises(ValueError, match=r"are \[5\] in this cache; now the teacher shows \[6\]"):
            changing(everyone(1), OUTPUT)

    def test_says_what_it_would_take_before_taking_it(self):
        assert CacheLayout(60_000, 25, dense(torch.float16)).num_bytes((10,)) == 1_500_032 + 30_000_000
        with pytest.raises(ValueError, match=r"Keeping 'output' of 1000000000000 samples .* takes .* GiB; .* are free"):
            cached(frozen(cnn(8)), samples=10**12, views=1)(everyone(), OUTPUT)


class TestForms:
    def test_half_precision_is_near_and_half_as_big(self):
        live = frozen(cnn(8))
        answer = cached(live, samples=24, views=1, form=dense(torch.float16))(everyone(), OUTPUT)["output"]
        assert answer.dtype is torch.float32
        torch.testing.assert_close(answer, live(everyone(), OUTPUT)["output"], atol=1e-3, rtol=1e-3)
        full, half = (CacheLayout(1000, 1, dense(d)).num_bytes((64,)) for d in (torch.float32, torch.float16))
        assert half - 1024 == (full - 1024) / 2

    def test_half_precision_refuses_what_it_cannot_hold(self):
        with pytest.raises(ValueError, match="reaches 65504, but the teacher shows 70000"):
            dense(torch.float16).encode(torch.tensor([[1.0, 7e4]]))
        assert dense(torch.float16).encode(torch.tensor([[-torch.inf]]))["values"].item() == -torch.inf
        with pytest.raises(ValueError, match=r"torch\.float32 or torch\.float16; got torch\.int64"):
            dense(torch.int64)

    @pytest.mark.parametrize(("count", "classes"), [(1, 2), (3, 10), (5, 200), (10, 300), (2, 40_000)])
    def test_the_likeliest_classes_keep_their_probabilities_and_share_the_rest_evenly(self, count, classes):
        logits = torch.randn(7, classes) * 4
        form = top(count)
        answer = form.decode(form.encode(logits), (classes,))
        kept, truth = answer.softmax(1), logits.softmax(1)
        order = truth.argsort(1, descending=True)
        torch.testing.assert_close(answer.exp().sum(1), torch.ones(7), atol=5e-3, rtol=0)
        torch.testing.assert_close(
            kept.gather(1, order)[:, :count], truth.gather(1, order)[:, :count], rtol=1e-2, atol=1e-6
        )
        rest = kept.gather(1, order)[:, count:]
        assert (rest == rest[:, :1]).all()
        torch.testing.assert_close(rest.sum(1), truth.gather(1, order)[:, count:].sum(1), rtol=1e-2, atol=1e-6)

    def test_a_confident_teacher_keeps_its_tiny_rest(self):
        """At a high temperature the rest counts: rounding must not turn 1e-7 into 0 or 1e-4."""
        form = top(2)
        logits = torch.tensor([[20.0, 3.0, 2.0, 1.0]])
        answer = form.decode(form.encode(logits), (4,))
        softened, truth = (answer / 8).softmax(1), (logits / 8).softmax(1)
        torch.testing.assert_close(softened[:, :2], truth[:, :2], rtol=1e-2, atol=0)

    def test_the_largest_few_are_for_logits_of_more_classes(self):
        with pytest.raises(ValueError, match="At least the 1 likeliest"):
            top(0)
        for what in ("2", "output"):
            with pytest.raises(ValueError, match="needs logits"):
                cached(frozen(cnn(8)), samples=24, views=1, form=top(5))(everyone(), frozenset({what}))

    @pytest.mark.parametrize("form", [dense(), dense(torch.float16), top(2)])
    def test_every_form_answers_the_same_from_a_folder_as_from_memory(self, form, tmp_path):
        live, place = frozen(cnn(8)), in_folder(tmp_path, KEY)
        memory = cached(live, samples=24, views=2, form=form)(everyone(1), OUTPUT)["output"]
        for ask in (live, None):
            folder = cached(ask, samples=24, views=2, form=form, place=place)
            assert torch.equal(folder(everyone(1), OUTPUT)["output"], memory)


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = tmp_path / "cache"
        self.open(folder, frozen(cnn(8)))(everyone(), OUTPUT)
        return folder

    @staticmethod
    def open(folder, ask=None, key=KEY, samples=24, views=2, form=FLOAT32):
        return cached(ask, samples=samples, views=views, form=form, place=in_folder(folder, key))

    def test_names_itself_and_its_layers(self, folder):
        self.open(folder, frozen(cnn(8)))(everyone(), frozenset({"8:input", "output"}))
        assert {path.name for path in folder.iterdir()} == {
            "cache.json",
            "lock",
            *(f"layer-{what}.{end}" for what in ("output", "8:input") for end in ("json", "rows")),
        }
        about = json.loads((folder / "cache.json").read_text())
        assert about == {"format": 2, "samples": 24, "views": 2, "form": "float32", "key": KEY}

    def test_is_not_made_before_there_is_something_to_keep(self, tmp_path):
        with pytest.raises(ValueError, match="no teacher to ask"):
            self.open(tmp_path / "typo")(everyone(), OUTPUT)
        assert not (tmp_path / "typo").exists()

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            ({"key": {**KEY, "weights": "b" * 64}}, r'weights "aaa.*" there, "bbb.*" here'),
            ({"key": {"data": "digits"}}, "transform .* there, null here; weights"),
            ({"samples": 25}, "samples 24 there, 25 here"),
            ({"views": 3}, "views 2 there, 3 here"),
            ({"form": top(2)}, r'form "float32" there, "top-2" here'),
        ],
    )
    def test_made_for_another_purpose_is_refused_by_name(self, folder, other, sentence):
        with pytest.raises(ValueError, match=sentence):
            self.open(folder, **other)

    @pytest.mark.parametrize("size", [0, 100, 1100])
    def test_with_a_file_of_another_size_is_refused_by_name(self, folder, size):
        os.truncate(folder / "layer-output.rows", size)
        with pytest.raises(ValueError, match=rf"layer-output.rows has {size} bytes where 1344 were expected"):
            self.open(folder)(everyone(), OUTPUT)

    @pytest.mark.parametrize("name", ["cache.json", "layer-output.json"])
    def test_with_a_damaged_description_is_refused_by_name(self, folder, name):
        (folder / name).write_text('{"row": [')
        with pytest.raises(ValueError, match=name):
            self.open(folder)(everyone(), OUTPUT)

    @pytest.mark.parametrize("size", ["1e999", "-1e999", "NaN", "1.5", '"x"', "[]", "null"])
    def test_with_rows_of_no_size_is_refused_by_name(self, folder, size):
        description = (folder / "layer-output.json").read_text()
        (folder / "layer-output.json").write_text(re.sub(r'"row": ?\[\s*\d+', f'"row": [{size}', description))
        with pytest.raises(ValueError, match=r"layer-output\.json"):
            self.open(folder)(everyone(), OUTPUT)

    def test_that_is_not_a_cache_of_this_version_is_refused(self, folder):
        (folder / "cache.json").write_text("[]")
        with pytest.raises(ValueError, match="format null there, 2 here"):
            self.open(folder)
        (folder / "layer-output.json").write_text("{}")
        (folder / "cache.json").unlink()
        with pytest.raises(ValueError, match="does not describe this layer"):
            self.open(folder)(everyone(), OUTPUT)

    def test_a_layer_that_was_never_finished_is_made_anew(self, folder):
        (folder / "layer-output.json").unlink()
        live = Counted(frozen(cnn(8)))
        self.open(folder, live)(everyone(), OUTPUT)
        assert len(live.asked) == 1 and (folder / "layer-output.json").exists()

    def test_that_the_disk_cannot_hold_says_so_and_leaves_no_file(self, tmp_path, monkeypatch):
        with pytest.raises(OSError, match=r"Keeping 'output' of .* takes .* GiB; .* are free in"):
            self.open(tmp_path / "huge", frozen(cnn(8)), samples=10**12)(everyone(), OUTPUT)
        assert not list((tmp_path / "huge").glob("layer-*"))

        def full(*_arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="are free in"):
            self.open(tmp_path / "full", frozen(cnn(8)))(everyone(), OUTPUT)
        assert not list((tmp_path / "full").glob("layer-*"))

    def test_that_cannot_be_made_is_refused_by_name(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(PermissionError, match=r"file/cache cannot be written to"):
            self.open(tmp_path / "file" / "cache", frozen(cnn(8)))(everyone(), OUTPUT)

    def test_two_teachers_fill_one_folder_and_see_each_others_answers(self, tmp_path):
        live = Counted(frozen(cnn(8)))
        one, other = (self.open(tmp_path, live) for _ in range(2))
        first = one(everyone(), OUTPUT)["output"]
        assert torch.equal(other(everyone(), OUTPUT)["output"], first)
        second = other(everyone(1), OUTPUT)["output"]
        assert torch.equal(one(everyone(1), OUTPUT)["output"], second) and len(live.asked) == 2

    def test_answers_again_after_its_process_was_killed(self, tmp_path):
        """SIGKILL while batches are being kept: every answer that is marked as known is the teacher's."""
        script = Path(__file__).with_name("fill_cache.py")
        environment = {**os.environ, "PYTHONPATH": str(script.parents[1]), "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
        )
        with process, process.stdout as said:
            assert [said.readline() for _ in range(40)][-1] == "kept\n"
            process.send_signal(signal.SIGKILL)
        cache = self.open(tmp_path, samples=4096, views=1)
        index = torch.arange(4096)
        answered = 0
        for one in index.split(1):
            try:
                shown = cache({"batch": {"input": X[:1], "index": one, "view": one * 0}}, OUTPUT)["output"]
            except ValueError:
                continue
            assert torch.equal(shown, torch.full((1, 64), float(one) + 1))
            answered += 1
        assert answered >= 40 * 16


def test_who_a_teacher_is_follows_from_names_types_shapes_and_values():
    teacher = cnn(8)
    first = weights_hash(teacher)
    assert first == weights_hash(cnn(8)) and len(first) == 64
    teacher[1].running_mean[0] += 1e-7
    assert weights_hash(teacher) != first
    assert weights_hash(cnn(8).half()) != first and weights_hash(cnn(9)) != first
    assert weights_hash(nn.Sequential(cnn(8))) != first


def test_memory_on_a_named_device_answers_where_the_batch_is():
    place = partial(in_memory, device="cpu")
    answer = cached(frozen(cnn(8)), samples=24, views=1, place=place)(everyone(), OUTPUT)["output"]
    assert answer.device == X.device


class TestManner:
    """A folder of answers to one call is none of answers to another."""

    @staticmethod
    def scaled(by):
        return lambda model, scene: model(by * scene["batch"]["input"])

    @staticmethod
    def offset(model, scene, by=0.0):
        return model(scene["batch"]["input"] + by)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (on_input, lambda model, scene: model(scene["batch"]["input"] / 2)),
            (lambda model, scene: model(scene["batch"]["input"] / 2), on_input),
            (
                lambda model, scene: model(scene["batch"]["input"] / 2),
                lambda model, scene: model(scene["batch"]["input"] / 3),
            ),
            (partial(offset.__func__, by=1.0), partial(offset.__func__, by=2.0)),
            (scaled.__func__(2.0), scaled.__func__(3.0)),
            (scaled.__func__(torch.ones(1, 1, 1)), scaled.__func__(torch.zeros(1, 1, 1))),
        ],
    )
    def test_another_call_is_refused_and_the_same_is_not(self, first, second, tmp_path):
        network = cnn(8)

        def cache(call, asked=True):
            teacher = frozen(network, call) if asked else None
            return cached(teacher, samples=24, views=1, place=in_folder(tmp_path / "answers", KEY))

        answers = cache(first)(everyone(), OUTPUT)["output"]
        assert torch.equal(cache(first)(everyone(), OUTPUT)["output"], answers)
        assert torch.equal(cache(None, asked=False)(everyone(), OUTPUT)["output"], answers)
        with pytest.raises(ValueError, match="keeps other answers"):
            cache(second)(everyone(), OUTPUT)

    def test_how_a_layer_is_read_counts_too(self, tmp_path):
        network = cnn(8)
        for read, fits in (({}, True), ({"output": lambda x: 2 * x}, False)):
            teacher = cached(frozen(network, read=read), samples=24, views=1, place=in_memory)
            teacher(everyone(), OUTPUT)
            place = in_folder(tmp_path / "answers", KEY)
            if fits:
                cached(frozen(network, read=read), samples=24, views=1, place=place)(everyone(), OUTPUT)
            else:
                with pytest.raises(ValueError, match="keeps other answers"):
                    cached(frozen(network, read=read), samples=24, views=1, place=place)(everyone(), OUTPUT)

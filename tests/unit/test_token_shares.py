"""A mean over tokens is that of the large batch, however it is cut into pieces and among how many processes."""

import multiprocessing
import os
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.functional import cross_entropy

from tutelage import Learner, Objective, Term, frozen, train
from tutelage.data.next_tokens import next_tokens
from tutelage.losses.chunked import chunked
from tutelage.losses.cosine_distance import cosine_distance
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.masked import masked
from tutelage.losses.pixelwise import pixelwise_targets
from tutelage.tasks.segmentation import SEGMENTATION

LENGTHS = [7, 2, 5, 3, 6, 1, 4, 7]
TOKENS = 11
SGD = partial(torch.optim.SGD, lr=0.1)


class Words(nn.Module):
    """A language model of a kind: words, a layer, and a head; padded places are looked at as any other."""

    def __init__(self, width, seed):
        torch.manual_seed(seed)
        super().__init__()
        self.embed, self.layer, self.head = nn.Embedding(TOKENS, 6), nn.Linear(6, width), nn.Linear(width, TOKENS)

    def forward(self, x):
        return self.head(self.layer(self.embed(x)).tanh())


def sentences():
    g = torch.Generator().manual_seed(0)
    tokens = torch.randint(TOKENS, (len(LENGTHS), max(LENGTHS)), generator=g)
    mask = (torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]).long()
    labels = torch.where((torch.rand(tokens.shape, generator=g) < 0.4) & (mask == 1), tokens, -100)
    labels[:, 0] = tokens[:, 0]  # each sentence has one at least
    return {"input": tokens, "mask": mask, "labels": labels, "next": next_tokens(torch.where(mask == 1, tokens, -100))}


def learner(seed=1):
    """Three means: over the tokens that are there, over those that are asked for, and over sentences."""
    student, teacher = Words(5, seed).double(), Words(5, 2).double()
    objective = Objective(
        soft=Term(masked(jensen_shannon), "student.output", "teacher.output", "batch.mask", weight=5.0),
        label=Term(masked(cross_entropy, ignore_index=-100), "student.output", "batch.labels", "batch.labels"),
        direction=Term(cosine_distance, "student.layer", "teacher.layer", weight=2.0),
    )
    return Learner(student, objective, SGD, teachers={"teacher": frozen(teacher)})


def after(batches, steps=3, **settings):
    one = learner()
    means = [epoch.losses["student"] for epoch in train({"student": one}, batches, steps, **settings)]
    return {name: p.detach() for name, p in one.student.named_parameters()}, means


def cut(*sizes):
    return [dict(zip(sentences(), pieces, strict=True))
            for pieces in zip(*(x.split(list(sizes)) for x in sentences().values()), strict=True)]  # fmt: skip


@pytest.mark.parametrize("sizes", [(4, 4), (1, 5, 2), (1,) * 8], ids=str)
def test_accumulation_is_the_large_batch_whatever_each_loss_is_a_mean_over(sizes):
    once, means = after([sentences()])
    pieces, others = after(cut(*sizes), accumulate=len(sizes))
    for name, p in once.items():
        torch.testing.assert_close(pieces[name], p, rtol=1e-10, atol=1e-14)
    for one, other in zip(means, others, strict=True):
        assert other == pytest.approx(one, rel=1e-10)


def test_the_gradient_of_the_large_batch_is_that_by_hand():
    one, batch = learner(), sentences()
    student, teacher = Words(5, 1).double(), Words(5, 2).double()
    valid, asked = batch["mask"] == 1, batch["labels"] != -100
    logits, taught = student(batch["input"]), teacher(batch["input"]).detach()
    hidden = [net.layer(net.embed(batch["input"])) for net in (student, teacher)]
    loss = 5 * jensen_shannon(logits[valid], taught[valid]) + cross_entropy(logits[asked], batch["labels"][asked])
    (loss + 2 * cosine_distance(*hidden)).backward()
    list(train({"student": one}, [batch], 1))
    for name, p in student.named_parameters():
        torch.testing.assert_close(one.student.get_parameter(name), p.detach() - 0.1 * p.grad)


def test_a_student_that_ends_before_its_head_learns_the_same_in_slabs():
    def learnt(soft, *layers):
        student, teacher = Words(5, 1).double(), Words(5, 2).double()
        term = Term(masked(soft(student, teacher)), *layers, "batch.mask")
        one = Learner(student, Objective(soft=term), SGD, teachers={"teacher": frozen(teacher)})
        list(train({"student": one}, cut(4, 4), 2, accumulate=2))
        return student.state_dict()

    def after_tanh(student, teacher):
        call = chunked(jensen_shannon, student.head, teacher.head, at_once=3)
        return lambda a, b: call(a.tanh(), b.tanh())

    whole = learnt(lambda _student, _teacher: jensen_shannon, "student.output", "teacher.output")
    slabs = learnt(after_tanh, "student.layer", "teacher.layer")
    for name, x in whole.items():
        torch.testing.assert_close(slabs[name], x, rtol=1e-10, atol=1e-14)


def test_a_mask_that_is_not_of_the_batch_is_refused_where_steps_accumulate():
    class Masks(Words):
        def forward(self, x):
            return {"logits": super().forward(x), "mask": x != 0}

    read = {"output": lambda shown: shown["logits"]}
    terms = Objective(soft=Term(masked(jensen_shannon), "student.output", "teacher.output", "teacher.mask"))

    net = Words(5, 2)

    def teacher(scene, _wanted):
        with torch.no_grad():
            return {"output": net(scene["batch"]["input"]), "mask": scene["batch"]["input"] != 0}

    one = Learner(Masks(5, 1), terms, SGD, teachers={"teacher": teacher}, read=read)
    list(train({"student": one}, cut(4, 4), 1))
    with pytest.raises(ValueError, match=r"give the mask in the batch, such as 'batch\.attention_mask'"):
        list(train({"student": one}, cut(4, 4), 1, accumulate=2))


def test_probabilities_and_labels_that_are_none_are_found_behind_a_mask():
    student = nn.Sequential(Words(5, 1), nn.Softmax(-1))
    terms = Objective(soft=Term(masked(jensen_shannon), "student.output", "student.output", "batch.mask"))
    with pytest.raises(ValueError, match="probabilities"):
        train({"student": Learner(student, terms, SGD)}, [sentences()], 1)
    asked = masked(cross_entropy, ignore_index=-100)
    terms = Objective(label=Term(asked, "student.output", "batch.labels", "batch.labels"))
    wrong = {**sentences(), "labels": sentences()["labels"].masked_fill(sentences()["labels"] == 3, 11)}
    with pytest.raises(ValueError, match="must be 0 to 10, one for each class; 11 is among them"):
        train({"student": Learner(Words(5, 1), terms, SGD)}, [wrong], 1)


def test_a_batch_without_a_token_that_counts_is_refused_in_a_sentence():
    empty = {**sentences(), "mask": torch.zeros_like(sentences()["mask"])}
    with pytest.raises(ValueError, match="No token of the batch counts"):
        list(train({"student": learner()}, [empty], 1))
    with pytest.raises(ValueError, match="No token of the batch counts"):
        list(train({"student": learner()}, [sentences(), empty], 1, accumulate=2))


def steps_of(rank, world, path, out):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=world)
    batches = cut(4, 4)
    found, _ = after([sentences()] if world == 1 else [batches[rank]])
    torch.save(found, f"{out}.{world}.{rank}")
    if world > 1:
        dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_with_unequal_numbers_of_tokens_do_what_one_does_with_all(tmp_path):
    out = str(tmp_path / "weights")
    steps_of(0, 1, "", out)
    multiprocessing.set_forkserver_preload(["torch"])
    mp.start_processes(steps_of, (2, str(tmp_path / "meet"), out), nprocs=2, start_method="forkserver")
    one, left, right = (torch.load(f"{out}.{name}", weights_only=True) for name in ("1.0", "2.0", "2.1"))
    for name, p in one.items():
        assert torch.equal(left[name], right[name])
        torch.testing.assert_close(left[name], p, rtol=1e-10, atol=1e-14)


def test_pixels_without_a_label_count_in_no_piece_of_the_large_batch():
    torch.manual_seed(5)
    batch = {"input": torch.randn(6, 3, 4, 4).double(), "target": torch.randint(3, (6, 4, 4))}
    batch["target"][2:, 1:] = 255
    batch["target"][5] = 255

    def learnt(batches, accumulate):
        torch.manual_seed(1)
        student, teacher = (nn.Conv2d(3, 3, 3, padding=1).double() for _ in range(2))
        seen = "student.output", "teacher.output", "batch.target"
        objective = Objective(label=SEGMENTATION.labels(), soft=Term(partial(pixelwise_targets, ignored=255), *seen))
        one = Learner(student, objective, SGD, teachers={"teacher": frozen(teacher)})
        list(train({"student": one}, batches, 2, accumulate=accumulate))
        return student.weight

    pieces = [{name: x[at] for name, x in batch.items()} for at in (slice(0, 1), slice(1, 4), slice(4, 6))]
    torch.testing.assert_close(learnt(pieces, 3), learnt([batch], 1), rtol=1e-10, atol=1e-14)

"""Objectives for language models: the published values, nothing to learn for a copy, and a student that learns."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from tutelage import Learner, Term, frozen, train
from tutelage.data.masked_tokens import masked_tokens
from tutelage.losses.chunked import chunked
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.masked import masked
from tutelage.losses.token_relations import token_relations
from tutelage.methods.cited import losses_in
from tutelage.methods.language import layer_losses, triple_loss
from tutelage.objective import Objective

VOCABULARY, HEADS = 20, 2


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.scores = nn.Identity()  # so that they can be read

    def forward(self, x, mask):
        q, k, v = (part(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (self.query, self.key, self.value))
        scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(mask[:, None, None] == 0, -1e4)
        return (self.scores(scores).softmax(-1) @ v).transpose(1, 2).flatten(2)


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention, self.norm, self.mlp = Attention(width), nn.LayerNorm(width), nn.Linear(width, width)

    def forward(self, x, mask):
        return x + self.mlp(self.norm(x + self.attention(x, mask))).relu()


class Encoder(nn.Module):
    def __init__(self, width, depth, seed):
        torch.manual_seed(seed)
        super().__init__()
        self.embed, self.place = nn.Embedding(VOCABULARY, width), nn.Parameter(torch.randn(8, width))
        self.start, self.layers = nn.Identity(), nn.ModuleList(Layer(width) for _ in range(depth))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

    def forward(self, input_ids, attention_mask):
        x = self.start(self.embed(input_ids) + self.place)
        for layer in self.layers:
            x = layer(x, attention_mask)
        return self.head(self.last(x))


def on_tokens(model, scene):
    return model(scene["batch"]["input_ids"], scene["batch"]["attention_mask"])


def batch(epoch=0):
    g = torch.Generator().manual_seed(0)
    ids = torch.randint(4, VOCABULARY, (16, 8), generator=g)
    mask = (torch.arange(8) < torch.randint(2, 9, (16, 1), generator=g)).long()
    inputs, labels = masked_tokens(ids, mask, torch.ones(VOCABULARY), 3, seed=0, epoch=epoch, index=torch.arange(16))
    return {"input_ids": inputs, "attention_mask": mask, "labels": labels}


def learner(student, teacher, objective):
    teachers = {"teacher": frozen(teacher, call=on_tokens)}
    return Learner(student, objective, partial(torch.optim.AdamW, lr=3e-3), teachers=teachers, call=on_tokens)


def learnt(objective, student, teacher, epochs=25):
    one = learner(student, teacher, objective)
    losses = [epoch.losses["student"] for epoch in train({"student": one}, [batch()], epochs)]
    return losses[0], losses[-1]


def test_the_published_value_of_the_triple_loss():
    """*worked* in float64 by plain numpy from the published code; its parts are in ``test_language_values``."""
    rows = [[2.0, 0.0, -1.0, 0.5], [0.1, 1.2, 0.3, -0.4], [0.0, 0.0, 0.0, 0.0]]
    taught = [[3.0, -1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 1.0], [9.0, -9.0, 9.0, -9.0]]
    scene = {
        "batch": {"attention_mask": torch.tensor([[1, 1, 0]]), "labels": torch.tensor([[-100, 3, -100]])},
        "student": {"output": torch.tensor([rows]), "last": torch.tensor([[[1.0, 0, 2], [0.5, -1, 0], [7, 7, 7]]])},
        "teacher": {"output": torch.tensor([taught]), "last": torch.tensor([[[1.0, 1, 1], [0, -2, 0.5], [-1, 3, 2]]])},
    }
    objective = triple_loss("student.last", "teacher.last")
    losses = objective(scene, list(objective.terms))
    total = sum(objective.terms[name].weight * loss for name, loss in losses.items())
    assert float(total) == pytest.approx(5.943801, abs=1e-5)


def test_a_copy_of_all_layers_has_nothing_to_learn_but_the_labels():
    teacher = Encoder(8, 3, seed=1)
    student = Encoder(8, 3, seed=2)
    student.load_state_dict(teacher.state_dict())
    first, _ = learnt(triple_loss("student.last", "teacher.last"), student, teacher, epochs=1)
    assert first["soft"] == first["direction"] == 0 < first["label"]


def test_a_student_of_half_the_layers_learns_by_all_three():
    first, last = learnt(triple_loss("student.last", "teacher.last"), Encoder(8, 1, 2), Encoder(8, 2, 1))
    assert all(last[name] < first[name] for name in ("soft", "label", "direction"))


def test_a_narrower_student_learns_layers_and_scores_through_one_map_that_they_share():
    hidden = ["student.start", "student.layers.0"], ["teacher.start", "teacher.layers.1"]
    scores = ["student.layers.0.attention.scores"], ["teacher.layers.1.attention.scores"]
    student, objective = Encoder(6, 1, 2), layer_losses(*hidden, *scores)
    first, last = learnt(objective, student, Encoder(8, 2, 1))
    assert last["hidden"] < first["hidden"] and last["scores"] < first["scores"]
    assert [tuple(p.shape) for p in objective.parameters()] == [(8, 6), (8,)]


def test_the_relations_of_the_values_of_the_last_layer_need_no_map():
    relations = partial(token_relations, num_heads=HEADS)
    seen = "student.layers.0.attention.value", "teacher.layers.1.attention.value", "batch.attention_mask"
    first, last = learnt(Objective(values=Term(relations, *seen)), Encoder(6, 1, 2), Encoder(8, 2, 1))
    assert 0 < last["values"] < first["values"]


def test_a_report_cites_what_is_behind_a_mask():
    cited = losses_in(triple_loss("student.last", "teacher.last"))
    assert cited == {"tutelage.losses.kd:soft_targets", "tutelage.losses.cosine_distance:cosine_distance"}
    slabs = Objective(
        soft=Term(masked(chunked(jensen_shannon, nn.Linear(2, 3))), "student.last", "batch.attention_mask")
    )
    assert losses_in(slabs) == {"tutelage.losses.jensen_shannon:jensen_shannon"}


@pytest.mark.parametrize("lists", [([], []), (["student.0"], []), (["student.0"], ["teacher.0"], ["student.1"])])
def test_layers_without_their_counterpart_are_refused(lists):
    with pytest.raises(ValueError, match="Layers are paired one to one"):
        layer_losses(*lists)

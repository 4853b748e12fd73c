"""Two processes, each with half of a batch, take the step that one takes with all of it, whatever the rule."""

import multiprocessing
import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn import functional as F

from examples import bits, kd, mlp, similarities, vectors
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen
from unit.test_combine_training import RULES, SGD


def steps_of(rank, world, path, out):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    if world > 1:
        dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=world)
    batch = {k: x.chunk(world)[rank] for k, x in vectors(1, 16)[0].items()}
    for name, rule in {"sum": WeightedSum, **RULES}.items():
        terms = {
            **kd(1.0, 1.0).terms,
            "feel": Term(similarities, "student.1", "teacher.1", weight=30.0, across=True),
            "hint": Term(F.l1_loss, "student.1", "teacher.0:input"),
        }
        if name.startswith("learned"):
            del terms["hint"]  # the rule names the terms that it weighs
        learner = Learner(mlp(8, seed=3), Objective(**terms), SGD, rule(), {"teacher": frozen(mlp(16))})
        list(train({"student": learner}, [batch], 3))
        torch.save(
            {**bits(learner.student), **dict(learner.combine.named_parameters())}, f"{out}.{name}.{world}.{rank}"
        )
    if world > 1:
        dist.destroy_process_group()


def test_two_ranks_do_what_one_does_with_the_double_batch_also_where_a_loss_looks_across_it(tmp_path):
    out = str(tmp_path / "weights")
    steps_of(0, 1, "", out)
    multiprocessing.set_forkserver_preload(["torch", "torchjd.aggregation"])
    mp.start_processes(steps_of, (2, str(tmp_path / "meet"), out), nprocs=2, start_method="forkserver")
    for name in ("sum", *RULES):
        one, left, right = (torch.load(f"{out}.{name}.{rank}", weights_only=True) for rank in ("1.0", "2.0", "2.1"))
        for key in one:
            assert torch.equal(left[key], right[key]), (name, key)
            torch.testing.assert_close(left[key], one[key], rtol=1e-4, atol=2e-5, msg=f"{name}, {key}")

"""What the label refinery is not: a teacher that is asked about each image once, whatever the student sees of it."""

import torch
from torch import nn

from tutelage.data.batches import input_of
from tutelage.data.views import in_order
from tutelage.measures.predict import predict_batches
from tutelage.methods.sums import stronger
from tutelage.objective import Scene
from tutelage.schemes.answers import samples_of
from tutelage.schemes.by_method import Teaching, pair_of
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.taps import OUTPUT, Activations
from tutelage.teachers.frozen import Teacher, asking


def with_static_labels(stage: Stage, model: nn.Module, *, plan: Plan, teaching: Teaching) -> None:
    """Fit the objective of ``teaching`` with answers about the images as they are measured, for every view of them.

    The control that tells what it is worth to label the very view that the student sees. Raises ``ValueError`` for a
    method that reads more of the teacher than its output.

    Bagherinezhad et al., "Label Refinery: Improving ImageNet Classification through Label Progression", 2018,
    arXiv:1805.02641, where static labels lose most of the gain.
    """
    objective = stronger(teaching.method(pair_of(model, teaching, plan)), teaching.strength)
    teacher = once_an_image(teaching.teacher, plan, teaching.teacher_sees)
    plan.train(stage, plan.learner(model, objective, {"teacher": teacher}, teaching.combine()))


def can_be_static(teaching: Teaching, model: nn.Module, plan: Plan) -> bool:
    """Whether the method reads nothing of the teacher but its output."""
    with torch.random.fork_rng(devices=[]):  # a method may draw the weights of a projector
        objective = teaching.method(pair_of(model, teaching, plan))
    return {what for who, what in objective.reads(list(objective.terms)) if who == "teacher"} == {OUTPUT}


def once_an_image(network: nn.Module, plan: Plan, sees: str = "input") -> Teacher:
    """A teacher that answers by a sample's number alone, with what ``network`` says of it as it is measured.

    It ``sees`` that input which the lesson's ``test_transform`` calls so; raises ``ValueError`` where there is none.
    """
    lesson = plan.lesson
    if sees == "input":
        answers = plan.task.predict(network, lesson.train, transform=lesson.test_transform)
    else:
        batches = in_order(lesson.train, batch_size=1000, transform=lesson.test_transform)(0, 0)
        answers = predict_batches(network, ({**batch, "input": input_of(batch, sees)} for batch in batches))
        answers = answers.to(lesson.train.inputs.device)
    labels = answers.new_full((samples_of(lesson), *answers.shape[1:]), torch.nan)
    labels[lesson.train.index] = answers

    def answer(scene: Scene, wanted: frozenset[str]) -> Activations:
        if wanted != {OUTPUT}:
            raise ValueError(f"Static labels are what a teacher answers, its output; got a wish for {sorted(wanted)}.")
        return {OUTPUT: labels[scene["batch"]["index"]]}

    return asking(answer, [network])

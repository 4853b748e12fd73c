"""A language model in a smaller one, by the divergence from its teacher and by whose texts they are compared on."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.text.settings import TELLS, Teller, Told
from tutelage.study.bounds import Above, AtMost, Distinct, NotEmpty, Seed, refuse_nonsense

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = (
    "Agarwal et al. 2024, arXiv:2306.13649 (GKD); Gu et al. 2024, arXiv:2306.08543 (MiniLLM); Kim & Rush 2016, "
    "arXiv:1606.07947 (sequence level)"
)

Way: TypeAlias = Literal["forward", "reverse", "jensen-shannon", "on-policy", "policy", "sequence", "interpolated"]
EVERY: tuple[Way, ...] = ("forward", "reverse", "jensen-shannon", "on-policy")
TEXT = Told()
TEACHER = Teller(layers=4, width=256, training=replace(TELLS, epochs=8))
STUDENT = Teller()


def lm(
    run: "Run",
    *,
    students: Annotated[tuple[Way, ...], NotEmpty(), Distinct()] = EVERY,
    teacher: Teller = TEACHER,
    student: Teller = STUDENT,
    text: Told = TEXT,
    beta: Annotated[float, Above(0), AtMost(1)] = 0.5,
    share: Annotated[float, Above(0), AtMost(1)] = 0.5,
    prompt: Annotated[int, Above(0), AtMost(512)] = 32,
    beams: Annotated[int, Above(0), AtMost(64)] = 5,
    seed: Seed = 0,
) -> None:
    """By which divergence does a small language model learn best from a large one?

    The teacher learns WikiText-2. Students of one size learn from it alone: by its divergence, by the reverse, by the
    one between the two, on the text that it learnt from or, in part, on what they write themselves; or from texts that
    the teacher writes, its likeliest or, of several, those nearest to the text; or by the reverse divergence of whole
    texts, which they write themselves with some help of the teacher. Beside them stands such a student that
    learns from the text alone. What counts is the perplexity of the test part.

    Args:
        students: what students of the teacher learn by
        teacher: the large model
        student: the small ones
        text: what is read
        beta: share of the teacher in the mixture that both are compared with, jensen-shannon and on-policy
        share: part of the batches that the student writes, on-policy
        prompt: tokens of a window that are gone on from, by those who write
        beams: texts that the teacher keeps at a time while it writes, sequence and interpolated
        seed: of weights, order and what is written
    """
    from tutelage.recipes.text import told
    from tutelage.schemes.supervised import supervised
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(lm, locals())
    told.refuse_long_prompt(prompt, text.longest)
    data, pieces = told.sets_of(run, text)
    large, small = (told.build(one, len(pieces), text.longest) for one in (teacher, student))
    told.refuse_unfit(data, {"The teacher": (large, teacher), "A student": (small, student)})
    plans = [told.plan_for(data, one, seed) for one in (teacher, student)]
    whole = run.stage("teacher", partial(large, dropout=told.DROPOUT), partial(supervised, plan=plans[0]), seed=seed)
    taught = told.ways(whole, beta, prompt=prompt, share=share, beams=beams, seed=seed)
    alone = run.stage("alone", small, partial(supervised, plan=plans[1]), seed=seed)
    learnt = {name: run.stage(name, small, partial(taught[name], plan=plans[1]), seed=seed) for name in students}
    networks = {"teacher": Evaluated("teacher", "the large model", whole)}
    networks |= {name: Evaluated("student", told.WORDS[name], one) for name, one in learnt.items()}
    networks["alone"] = Evaluated("baseline", "the text alone", alone)
    measured = publish_networks(run, data, networks, told.METHODS)
    run.publish(tables=[told.perplexities(measured, students)], headline=told.in_words(measured, students))
    run.deliver(learnt[students[0]].last, **told.facts_of(pieces, text.longest))


lm_smoke = partial(
    lm,
    teacher=Teller(layers=2, width=32, heads=2, training=replace(TELLS, epochs=2)),
    student=Teller(layers=1, width=16, heads=2, training=replace(TELLS, epochs=2)),
    text=Told(name="synthetic", pieces=110, validation=20, longest=16),
    prompt=4,
)
lm_cpu = partial(
    lm,
    teacher=replace(TEACHER, width=192, training=replace(TELLS, epochs=2)),
    student=replace(STUDENT, width=64, training=replace(TELLS, epochs=1)),
    text=replace(TEXT, pieces=4000, train=40_000, longest=64),
)

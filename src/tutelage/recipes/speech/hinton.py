"""The two tables of speech: ten acoustic models in one, and what soft targets are worth where recordings are few."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.speech.settings import HUMMED, NET, SPEECH, TAUGHT, Net, Speech, with_training
from tutelage.study.bounds import Above, AtMost, Distinct, Epochs, Seed, Share, Temperature, refuse_nonsense
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, tables 1 and 5"


def hinton(
    run: "Run",
    *,
    members: Annotated[int, Above(0), AtMost(1000)] = 10,
    temperature: Temperature = 2.0,
    others: Annotated[tuple[Temperature, ...], Distinct()] = (),
    label: Share = 0.5,
    few: Annotated[float, Above(0), AtMost(1)] = 0.03,
    few_epochs: Epochs = 100,
    net: Net = NET,
    student: TrainingSettings = TAUGHT,
    speech: Speech = SPEECH,
    seed: Seed = 0,
) -> None:
    """Can one acoustic model know what ten know together? 86 % of it in the paper.

    Each names the state of a spoken digit from 26 frames. All have the same size and recordings, and differ in their
    seeds. The student learns from labels and from the mean of their softened answers, for longer than a member; so does
    a baseline, from labels alone. What the student gains is over the better single net. Then a net learns from 3 % of
    the recordings, once by labels and once by soft targets of a net that knew all: these keep it from overfitting.
    Speakers of the test are heard nowhere else.

    Args:
        members: how many nets answer together
        temperature: softness of the targets; the paper tried 1, 2, 5 and 10, and 2 was best
        others: more temperatures, each with a student that is compared; nothing else depends on them
        label: weight of the true labels in the students' loss; the soft targets weigh the rest
        few: the share of the recordings that is left in the second part, each word with its own, at least one
        few_epochs: how many epochs those nets have that learn from these few
        seed: seed of the students; member k has the seed 100 · seed + k
    """
    from tutelage.losses.kd import arithmetic
    from tutelage.measures.ensemble import ensemble_answers
    from tutelage.recipes.speech import nets, published
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated

    refuse_nonsense(hinton, locals())
    reason = cannot_decide(run, hinton, locals(), free=("others",), deciding={"full": hinton_full})
    corpus = nets.speech_of(run, speech)
    data, scarce = corpus.sets, corpus.few(few)
    longer = replace(net, training=student)
    nets.refuse_too_large(data, net, longer)
    single = [nets.train(run, data, net, 100 * seed + k, f"member {k}") for k in range(1, members + 1)]
    teachers = [one.last for one in single]
    networks = {one.name: Evaluated("member", f"{nets.deep(net)}, labels", one) for one in single}
    students = {f"student at T = {t:g}": t for t in (temperature, *others)}
    alone = nets.train(run, data, longer, seed, "baseline")
    networks["baseline"] = Evaluated("baseline", f"{nets.deep(net)}, trained as long on labels", alone)
    for name, t in students.items():
        taught = nets.train(run, data, longer, seed, name, nets.taught_by(teachers, t, label))
        networks[name] = Evaluated("student", f"{nets.deep(net)}, taught by {members}", taught)
    first, some = next(iter(students)), f"{100 * few:g} %"
    for name, how in (("labels", nets.supervised), ("soft targets", nets.taught_by(teachers[:1], temperature, label))):
        trained = nets.train(run, scarce, with_training(net, epochs=few_epochs), seed, f"{some} by {name}", how)
        networks[trained.name] = Evaluated("other", f"{nets.deep(net)}, {name} of {some}", trained)
    measured = nets.publish_nets(run, data, networks)

    answers = ensemble_answers(teachers, data.test, arithmetic)
    chance = nets.chance_of_gain(answers, alone.last, corpus)
    in_one = published.in_one(measured, first, answers, data, chance)
    three = {who: networks[name] for who, name in
             (("one", "member 1"), ("labels", f"{some} by labels"), ("soft", f"{some} by soft targets"))}  # fmt: skip
    of_few = published.of_few(**three, heard=corpus, few=scarce)
    heard = corpus.recordings(data.test)
    tables = [published.table_1(in_one, members, temperature, heard), published.table_5(of_few, some)]
    if others:
        tables.append(published.temperatures(measured, students))
    run.publish(tables=tables, headline=published.in_words(in_one, of_few, members, some))
    run.deliver(networks[first].finished.last, classes=data.test.classes, input=nets.INPUT,
                deviation=data.normalisation[1])  # fmt: skip
    if not data.synthetic:  # tunes say nothing about what was published for speech
        published.claim_tables(run, in_one, of_few, reason)


hinton_smoke = partial(
    hinton,
    members=3,
    few=0.1,
    few_epochs=20,
    net=with_training(Net(layers=2, units=64), epochs=4, lr=1e-3, batch_size=50),
    student=replace(TAUGHT, epochs=4, lr=1e-3, batch_size=50),
    speech=HUMMED,
)
hinton_quick = partial(
    hinton,
    members=3,
    few_epochs=60,
    net=Net(layers=2, units=256),
    student=replace(TAUGHT, epochs=8),
)
hinton_full = partial(hinton, others=(1.0, 5.0, 10.0), net=Net(layers=2, units=512))

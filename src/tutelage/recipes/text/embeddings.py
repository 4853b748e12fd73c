"""A pretrained encoder of sentences in networks of a fraction of its size, by its answers to unlabelled text."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.text.settings import (
    ALIKE,
    DEEP,
    DRAWN,
    SMALL,
    TABLE,
    TEXTS,
    Alike,
    Deep,
    Small,
    Table,
    Texts,
)
from tutelage.study.bounds import Distinct, NotEmpty, Seed, refuse_nonsense

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Reimers & Gurevych 2020, arXiv:2004.09813, and its authors' model distillation"

Who: TypeAlias = Literal["deep", "small", "table"]
EVERYBODY: tuple[Who, ...] = ("deep", "small", "table")


def embeddings(
    run: "Run",
    *,
    teacher_file: Path | None = None,
    rival_file: Path | None = None,
    students: Annotated[tuple[Who, ...], NotEmpty(), Distinct()] = EVERYBODY,
    deep: Deep = DEEP,
    small: Small = SMALL,
    table: Table = TABLE,
    alike: Alike = ALIKE,
    texts: Texts = TEXTS,
    seed: Seed = 0,
) -> None:
    """How small can a network be that tells which sentences mean the same?

    The teacher is a file that only answers: a sentence in, a vector out. Students learn its vectors, and how these lie
    to each other, from sentences that nobody labelled. They are judged by pairs of STS-B's dev set, of which people
    said how alike they are. One student begins with some of the teacher's layers, taken out of the file; another is a
    small transformer from nothing; the third a table of vectors, one a token. Beside them stands such a table that
    nobody taught.

    Args:
        teacher_file: ONNX file of an encoder with BERT's uncased vocabulary; that of drawn sentences is drawn
        rival_file: ONNX file of another encoder with this vocabulary, which is measured beside the students
        students: which of the three are trained
        deep: the student that begins with layers of the teacher
        small: the small transformer
        table: the table of vectors
        alike: what of the teacher's vectors is learnt
        seed: of weights and order
    """
    from tutelage.foreign.onnx_encoder import onnx_sentences
    from tutelage.recipes.text import nets, published
    from tutelage.schemes.by_method import by_method
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks
    from tutelage.study.memory import refuse_too_large

    refuse_nonsense(embeddings, locals())
    nets.refuse_no_teacher(texts.name, teacher_file)
    nets.refuse_no_file(rival_file)
    reason = cannot_decide(run, embeddings, locals(), free=("students", *nets.FILES))
    heard = nets.sentences(run, texts)
    teacher, layers = nets.teacher_of(run, teacher_file, heard)
    depth = nets.refuse_deeper(deep.layers, layers.last, "--deep.layers")
    own = {"small": nets.pieces_of(heard, small.pieces), "table": nets.pieces_of(heard, table.pieces)}
    seen = {"deep": heard.cut_by(heard.pieces), **{name: heard.cut_by(pieces) for name, pieces in own.items()}}
    builds = {
        "deep": nets.build_deep(deep, layers.last),
        "small": nets.build_small(small, own["small"], texts),
        "table": nets.build_table(table, own["table"]),
    }
    trainings = {"deep": deep.training, "small": small.training, "table": table.training}
    fits: dict[str, Callable[..., None]] = {
        "deep": partial(nets.begun_with_layers, begin=layers.last),
        "small": by_method,
        "table": partial(nets.begun_with_pieces, pieces=own["table"], teachers=heard.pieces),
    }
    words = {
        "deep": f"{deep.layers} of the teacher's {depth} layers",
        "small": f"{small.layers} layers of {small.width}, {len(own['small'])} pieces",
        "table": f"a table of {len(own['table'])} × {table.width}",
    }
    for name in students:
        refuse_too_large(words[name], builds[name], seen[name], trainings[name].batch_size)
    networks = {"teacher": Evaluated("teacher", "the file that answers", teacher)}
    for name in students:
        plan = nets.plan_for(seen[name], trainings[name], seed)
        teaching = nets.teaching_of(teacher, name, alike)
        done = run.stage(name, builds[name], partial(fits[name], plan=plan, teaching=teaching), seed=seed)
        networks[name] = Evaluated("student", words[name], done, seen[name])
    if layers is not teacher:
        networks["dequantised"] = Evaluated("other", "the file's weights, as a network of ours", layers)
    if rival_file is not None:
        rival = run.given("rival", partial(onnx_sentences, rival_file))
        networks["rival"] = Evaluated("other", "another file that answers", rival)
    untaught = run.given("untaught", builds["table"])
    networks["untaught"] = Evaluated("baseline", "such a table as it was drawn", untaught, seen["table"])
    measured = publish_networks(run, heard.sets, networks, nets.METHODS)
    run.publish(
        tables=[published.sizes_table(measured, "teacher")],
        headline=published.in_words(measured, "teacher", students, words),
    )
    run.deliver(networks[students[0]].finished.last, **nets.facts_of(texts.name, texts.longest, own.get(students[0])))
    if not heard.sets.synthetic:
        why = reason or published.other_file(teacher_file)
        published.claim_all(run, measured, "deep", 2 * deep.layers == depth, why)


embeddings_smoke = partial(
    embeddings,
    deep=Deep(layers=2, training=replace(DEEP.training, epochs=1, batch_size=50)),
    small=Small(width=16, heads=2, layers=1, pieces=1000, training=replace(SMALL.training, epochs=2, batch_size=50)),
    table=Table(width=8, pieces=110, training=replace(TABLE.training, epochs=2, batch_size=50)),
    texts=DRAWN,
)
embeddings_quick = partial(
    embeddings,
    deep=replace(DEEP, training=replace(DEEP.training, epochs=1, batch_size=64)),
    small=replace(SMALL, training=replace(SMALL.training, epochs=4, batch_size=64)),
    table=replace(TABLE, training=replace(TABLE.training, epochs=4, batch_size=64)),
    texts=replace(TEXTS, train=4000, validation=200),
)

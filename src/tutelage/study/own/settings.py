"""What is asked of somebody's own data and networks, said once for every command: fields are flags. No torch here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tutelage.study.bounds import Above, AtLeast, AtMost, Seed, Share


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """Samples of the user's own, and what a network sees of them."""

    task: Literal[
        "auto", "classification", "multi-label", "regression", "segmentation", "text", "embeddings", "spans"
    ] = "auto"
    """what is learnt; found out where the labels leave no doubt; text: what the labels of texts say; embeddings: the
    teacher's vectors of texts without labels; spans: where in a text the answer to a question stands"""
    path_column: str = ""
    """the column of a table that names the pictures, or the array of inputs; found out if not given"""
    label_columns: tuple[str, ...] = ()
    """the columns of its labels, one or several, that of masks, or the array of labels; found out if not given"""
    text_columns: tuple[str, ...] = ()
    """the columns of a table that hold its texts, one or two; found out if not given"""
    vocabulary: Path | None = None
    """tokenizer.json or vocab.txt by which texts are cut; what lies beside the teacher if not given"""
    longest: Annotated[int, AtLeast(8), AtMost(2**16)] = 128
    """tokens of a text, or of a pair; a longer one is cut, a question's context into several that overlap"""
    size: Annotated[int, AtLeast(0), AtMost(4096)] = 0
    """pixels a side that networks see; 0 takes what the pictures have, or 224 where they differ"""
    channels: Literal[0, 1, 3] = 0
    """1 for grey, 3 for colour; 0 takes what the pictures have"""
    mean: tuple[Share, ...] = ()
    """means of the channels (0 to 1) with which they are normalised; measured on the training pictures if not given"""
    std: tuple[Annotated[float, Above(0), AtMost(1)], ...] = ()
    """their deviations, likewise"""
    unlabelled: str = ""
    """a folder of further pictures, or a file of further texts, without labels, which the teacher labels"""
    strict: bool = False
    """refuse the data for one picture or text that cannot be read, instead of leaving it out"""
    validation: Annotated[float, AtLeast(0), AtMost(0.9)] = 0.1
    """the share of the training samples that is set apart for choices where the data have no such part"""
    test: Annotated[float, AtLeast(0), AtMost(0.9)] = 0.1
    """the share that is set apart for the last measurement where the data have no such part"""
    split_seed: Seed = 0
    """which samples these are"""
    workers: Annotated[int, AtLeast(0), AtMost(256)] = 0
    """threads that decode pictures; 0 takes as many as there are processors"""

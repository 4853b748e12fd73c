"""What a teacher is shown of the samples: pictures, or the numbers of samples where it is a table of answers."""

from dataclasses import replace

from torch import nn

from tutelage.data.labelled import Labelled
from tutelage.data.views import plain
from tutelage.foreign.table_answers import TableOfAnswers
from tutelage.measures.predict import device_of
from tutelage.modes import evaluating
from tutelage.outputs import tensor_in
from tutelage.study.sets import Sets
from tutelage.tasks.binary import by_head


def shown_to(network: nn.Module, data: Sets) -> Sets:
    """``data`` as ``network`` sees them: their numbers, if it is a table of answers, else as they are."""
    if not isinstance(network, TableOfAnswers):
        return data
    numbered = {
        part: None if samples is None else replace(samples, inputs=samples.index, others={})
        for part, samples in (("train", data.train), ("validation", data.validation), ("test", data.test))
    }
    return replace(data, test_transform=plain, **numbered)  # type: ignore[arg-type]


def sees(network: nn.Module) -> str:
    """What a batch calls that which ``network`` is shown: ``Teaching(…, teacher_sees=sees(network))``."""
    return "index" if isinstance(network, TableOfAnswers) else "input"


def told_by(network: nn.Module, data: Sets, called: str) -> Sets:
    """``data`` with what ``network`` answers for the targets to choose and to measure by, where nobody else knows any.

    Those of the training samples are asked for when they are learnt. Raises ``ValueError`` for answers that are no
    vectors of finite numbers.
    """
    if not data.task.of_teacher:
        return data
    seen = shown_to(network, data)

    def told(part: Labelled, shown: Labelled) -> Labelled:
        answers = data.task.predict(network, shown, transform=seen.test_transform).to(part.inputs.device)
        if answers.ndim != 2 or not bool(answers.isfinite().all()):
            raise ValueError(f"{called} answers texts with {tuple(answers.shape)}, where finite vectors are wanted.")
        return replace(part, targets=answers)

    validation = None if data.validation is None or seen.validation is None else told(data.validation, seen.validation)
    return replace(data, validation=validation, test=told(data.test, seen.test))


def with_head(data: Sets, network: nn.Module) -> Sets:
    """``data`` with the task that the head of ``network`` is for: two classes may be told apart by one logit."""
    seen = shown_to(network, data)
    with evaluating(network):
        answer = tensor_in(network(seen.example.to(device_of(network))))
    width = answer.shape[1] if answer.ndim > 1 else 1
    return replace(data, task=by_head(data.task, width, len(data.train.classes)))

"""What answers come to does not depend on how many are asked for at a time, and maps of logits are not kept."""

import pytest
import torch

from task_networks import CASES
from tutelage.data.labelled import labelled
from tutelage.study.diagnosis.answered import judged
from tutelage.tasks.segmentation import SEGMENTATION


@pytest.mark.parametrize("name", CASES)
def test_parts_of_a_set_come_to_the_same_as_all_of_it(name):
    case = CASES[name]
    torch.manual_seed(0)
    model, data = case.teacher().eval(), case.data(23)
    whole = case.task.judge(model, data)
    for together in (2, 5, 40):
        found = case.task.judge(model, data, together=together)
        assert found.loss() == pytest.approx(whole.loss(), rel=1e-5)
        for metric, score in whole.scores.items():
            assert found.scores[metric].value == pytest.approx(score.value, rel=1e-6)
            assert found.scores[metric].interval == (score.interval and pytest.approx(score.interval, rel=1e-5))
    answers = case.task.predict(model, data)
    assert {x: score.value for x, score in case.task.score(answers, data).items()} == pytest.approx(
        {x: score.value for x, score in whole.scores.items()}
    )
    assert case.task.loss(answers, data.targets).item() == pytest.approx(whole.loss(), rel=1e-5)


class Watched(torch.nn.Module):
    """Notes how many answers there are at a time."""

    def __init__(self):
        super().__init__()
        self.asked, self.wrong = [], frozenset()

    def forward(self, x):
        self.asked.append(len(x))
        answer = x.clone()
        if len(self.asked) in self.wrong:
            answer[0, 0, 0, 0] = torch.nan
        return answer


def test_a_segmenters_logits_are_there_a_few_pictures_at_a_time():
    model, data = Watched(), CASES["segmentation"].data(70)
    found = judged(SEGMENTATION, model, data, lambda images, *_: images.float())
    assert found.answers is None and max(model.asked) == SEGMENTATION.together < 70 == sum(model.asked)
    kept = SEGMENTATION.rows(SEGMENTATION, torch.rand(4, 3, 64, 64), _large(4))
    assert sum(x.nbytes for x in kept) < 4 * 200  # bytes a picture, whatever its size


def test_answers_that_are_no_numbers_are_counted_all_the_same():
    model, data = Watched(), CASES["segmentation"].data(70)
    model.wrong = {1, 3}
    found = SEGMENTATION.judge(model, data, lambda images, *_: images.float())
    assert (found.nan, found.not_finite) == (2, 2)


def _large(count):
    return labelled("large", torch.zeros(count, 3, 64, 64), torch.randint(0, 3, (count, 64, 64)), ("a", "b", "c"))

"""The reverse divergence of whole texts: worked values, and an estimate that is right on average over all texts."""

from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from tutelage.losses.policy_gradient import rewards_to_go, sequence_reverse_kl
from tutelage.losses.reverse_kl import reverse_kl

S = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
Y = torch.tensor([0, 2])
EXACT = partial(sequence_reverse_kl, by_length=False)


class Table(nn.Module):
    """Logits of each token after all that come before it: as many numbers as there are beginnings."""

    def __init__(self, seed, size=3, length=3):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        tables = [torch.randn(size**place, size, generator=g, dtype=torch.float64) for place in range(length)]
        self.tables = nn.ParameterList(map(nn.Parameter, tables))
        self.size = size

    def forward(self, texts):
        rows, place = [], torch.zeros(len(texts), dtype=torch.int64)
        for at, table in enumerate(self.tables):
            rows.append(table[place])
            place = place * self.size + texts[:, at]
        return torch.stack(rows, 1)

    def log_probability(self, texts):
        return self(texts).log_softmax(-1).gather(2, texts[:, :, None]).sum((1, 2))


TEXTS = torch.tensor([*product(range(3), repeat=3)])


def gradient(value, network):
    return torch.cat([x.flatten() for x in torch.autograd.grad(value, list(network.parameters()), retain_graph=True)])


def averaged(loss, student, teacher, drawn):
    """The loss of each possible text, by how probable it is to be drawn, which has no gradient."""
    return sum(
        chance * loss(student(text[None]), teacher(text[None]), text[None])
        for text, chance in zip(TEXTS, drawn.detach(), strict=True)
    )


class TestOnAverage:
    def test_value_and_gradient_are_those_of_the_divergence_of_texts(self):
        """All 27 texts of three tokens of three kinds: KL(q ‖ p) = Σ q log q/p, over the 3 places."""
        student, teacher = Table(0), Table(1)
        ours, theirs = student.log_probability(TEXTS), teacher.log_probability(TEXTS).detach()
        exact = (ours.exp() * (ours - theirs)).sum() / 3
        estimate = averaged(EXACT, student, teacher, ours.exp())
        assert estimate.item() == pytest.approx(exact.item(), rel=1e-12)
        torch.testing.assert_close(gradient(estimate, student), gradient(exact, student), rtol=1e-10, atol=1e-14)

    def test_what_a_token_leads_to_is_a_part_of_it(self):
        """The divergence of single tokens alone, as of GKD, has another gradient: the test above can fail."""
        student, teacher = Table(0), Table(1)
        ours, theirs = student.log_probability(TEXTS), teacher.log_probability(TEXTS).detach()
        exact = (ours.exp() * (ours - theirs)).sum() / 3
        alone = averaged(lambda s, t, _: reverse_kl(s, t), student, teacher, ours.exp())
        assert alone.item() == pytest.approx(exact.item(), rel=1e-12)  # the same value,
        gap = gradient(alone, student) - gradient(exact, student)
        assert gap.norm() > 0.05 * gradient(exact, student).norm()  # and another gradient

    @pytest.mark.parametrize("share", [0.2, 0.5])
    def test_of_texts_drawn_in_part_by_the_teacher_weights_make_up_for_it(self, share):
        """Of one token each, where the published weights are the exact ones."""
        student, teacher = Table(0, length=1), Table(1, length=1)
        texts = TEXTS[:3, 2:]
        ours, theirs = student.log_probability(texts), teacher.log_probability(texts).detach()
        exact = (ours.exp() * (ours - theirs)).sum()
        drawn = ((1 - share) * ours.exp() + share * theirs.exp()).detach()
        each = [EXACT(student(text[None]), teacher(text[None]), text[None], share=share) for text in texts]
        estimate = (drawn * torch.stack(each)).sum()
        torch.testing.assert_close(gradient(estimate, student), gradient(exact, student), rtol=1e-10, atol=1e-14)


class TestWorkedValues:
    """methods, §15.10: computed by hand in numpy, of the authors' formulas."""

    def test_rewards_and_what_is_to_come(self):
        rewards = (T.log_softmax(-1) - S.log_softmax(-1))[[0, 1], Y][None]
        every = torch.ones(1, 2, dtype=torch.bool)
        assert rewards[0].tolist() == pytest.approx([-0.053895, 0.554926], abs=1e-6)
        for discount, worked in ((1.0, 0.250516), (0.95, 0.236643)):
            found = rewards_to_go(rewards, every, discount, by_length=True)[0].tolist()
            assert found == pytest.approx([worked, 0.554926], abs=1e-6)

    def test_the_value_is_the_mean_of_the_divergences_of_tokens(self):
        assert sequence_reverse_kl(S[None], T[None], Y[None]).item() == pytest.approx(0.357518, abs=1e-6)

    def test_weights_of_texts_that_the_teacher_wrote_in_part(self):
        first, second = (reverse_kl(S[[n]], T[[n]]).item() for n in (0, 1))
        mixed = sequence_reverse_kl(S[None], T[None], Y[None], share=0.2).item()
        assert mixed == pytest.approx((1.010605 * first + 0.870805 * second) / 2, abs=1e-6)


def by_hand(student, teacher, target, share, discount, by_length):
    """The published estimate, token by token."""
    log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
    total = 0.0
    for text in range(len(target)):
        places = [t for t in range(target.shape[1]) if target[text, t] != -100]
        at = {t: (text, t, int(target[text, t])) for t in places}
        for t in places:
            after = [s for s in places if s > t]
            to_come = sum(discount**n * (log_p[at[s]] - log_q[at[s]]).item() for n, s in enumerate(after))
            to_come /= len(after) if by_length and after else 1
            q, p = log_q[at[t]].exp().item(), log_p[at[t]].exp().item()
            single = (log_q[text, t].exp() * (log_q[text, t] - log_p[text, t])).sum()
            total = total + q / ((1 - share) * q + share * p) * (single - to_come * log_q[at[t]])
    return total / target.numel()


@pytest.mark.parametrize(("share", "discount", "by_length"), [(0.0, 1.0, True), (0.2, 0.95, True), (0.3, 1.0, False)])
def test_it_is_what_the_formula_says_token_by_token(share, discount, by_length):
    student = torch.randn(3, 5, 7, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(3, 5, 7, dtype=torch.float64)
    target = torch.randint(7, (3, 5))
    target[:, 0], target[1, 3:] = -100, -100  # a prompt, and a text that ended
    how = {"share": share, "discount": discount, "by_length": by_length}
    (ours,) = torch.autograd.grad(sequence_reverse_kl(student, teacher, target, **how), student)
    (wanted,) = torch.autograd.grad(by_hand(student, teacher, target, **how), student)
    torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-12)
    assert not ours[target == -100].any()


def test_at_the_teacher_there_is_nothing_to_learn():
    logits = torch.randn(2, 4, 5, dtype=torch.float64, requires_grad=True)
    loss = sequence_reverse_kl(logits, logits.detach(), torch.randint(5, (2, 4)))
    (slope,) = torch.autograd.grad(loss, logits)
    assert loss.abs() < 1e-12 and slope.abs().max() < 1e-12


def test_a_token_that_the_teacher_rules_out_has_a_finite_reward():
    student = torch.zeros(1, 2, 3, requires_grad=True)
    teacher = torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, -torch.inf]]])
    (slope,) = torch.autograd.grad(sequence_reverse_kl(student, teacher, torch.tensor([[0, 2]])), student)
    assert slope.isfinite().all() and slope[0, 0, 0] > 1  # it is led away from what leads there


@pytest.mark.parametrize(
    ("shapes", "target", "words"),
    [
        (((1, 2, 3), (1, 2, 4)), torch.zeros(1, 2).long(), r"got \(1, 2, 3\), \(1, 2, 4\) and \(1, 2\)"),
        (((1, 2, 3), (1, 2, 3)), torch.zeros(1, 3).long(), "Logits are"),
        (((1, 2, 3), (1, 2, 3)), torch.full((1, 2), -100), "Nothing was written"),
    ],
)
def test_what_does_not_fit_is_refused(shapes, target, words):
    with pytest.raises(ValueError, match=words):
        sequence_reverse_kl(*map(torch.zeros, shapes), target)

"""Claims as rows of texts: the same for the page, the terminal and Markdown."""

from collections.abc import Sequence

from tutelage.report.groups import Group
from tutelage.report.numbers import decimal_places, exact, probability, significant, true_minus
from tutelage.report.rows import ClaimRow, once_if_shared
from tutelage.report.verdicts import Verdict


def claim_row(group: Group, verdict: Verdict) -> ClaimRow:
    """A claim as the table shows it; a single measurement as finely as the published figure and the bounds are."""
    claim, measured = verdict.claim, verdict.measured
    given = (x for x in (claim.published, claim.low, claim.high) if x is not None)
    places = max(len(exact(x).partition(".")[2]) for x in given)
    one = exact(measured.mean) if float(measured.mean).is_integer() else f"{measured.mean:,.{places}f}"
    if measured.mean and not one.strip("-0.,"):
        one = significant(measured.mean, 2)
    return ClaimRow(
        group.name,
        claim.name,
        claim.unit,
        exact(claim.published),
        true_minus(one) if measured.n == 1 else str(measured),
        between(*verdict.interval) if verdict.interval else "",
        measured.n,
        "" if verdict.p is None else probability(verdict.p),
        verdict.condition,
        verdict.sign,
        verdict.word,
        verdict.reason,
        claim.note,
        claim.source,
    )


def between(low: float, high: float) -> str:
    """``84 to 125``: to two digits of half the way between them; nothing for a point."""
    if low == high:
        return ""
    if float(low).is_integer() and float(high).is_integer():
        return f"{exact(low)} to {exact(high)}"
    digits = decimal_places((high - low) / 20)
    return true_minus(f"{low:,.{digits}f} to {high:,.{digits}f}")


def claim_rows(groups: Sequence[Group]) -> list[ClaimRow]:
    """Every claim of every setting; one that is the same in all settings, once."""
    return once_if_shared([claim_row(group, verdict) for group in groups for verdict in group.verdicts], len(groups))


def by_claim(rows: Sequence[ClaimRow]) -> list[list[ClaimRow]]:
    """The rows of each claim together, whatever setting they are of."""
    claims: dict[str, list[ClaimRow]] = {}
    for row in rows:
        claims.setdefault(row.name, []).append(row)
    return list(claims.values())

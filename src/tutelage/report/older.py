"""Runs that an earlier version wrote, in today's form: the one file that knows what they looked like.

They were of classification alone: each network had ``errors``, their ``interval`` and ``count``; the student that
nobody taught had the role ``alone``, what is ``other`` today the role ``baseline``; a claim named a ``scale`` that
would decide it.
"""

from collections.abc import Sequence
from typing import Any

from tutelage.measures.wilson import wilson

Json = dict[str, Any]
ROLES = {"alone": "baseline", "baseline": "other"}
METRICS = [{"name": "errors"}, {"name": "accuracy", "unit": "%", "better": "higher"}]


def renewed(parts: Json) -> Json:
    """The parts of a run as today's version writes them; those that it wrote itself stay as they are.

    What is damaged stays too: ``decode`` says where.
    """
    results = parts["results"]
    if not isinstance(results, dict) or "metrics" in results:
        return parts
    networks = _dicts(results.get("networks"))
    old = [network for network in networks if _is_old(network)]
    changed: Json = {"metrics": METRICS} if old else {}
    if networks:
        changed["networks"] = [_network(network) if network in old else network for network in networks]
    if claims := _dicts(results.get("claims")):
        changed["claims"] = [_claim(claim, old) for claim in claims]
    return {**parts, "results": results | changed, "log": [_epoch(line) for line in parts["log"]]}


def _dicts(value: Any) -> list[Json]:
    """The items of a list of objects; none of anything else."""
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else []


def _is_old(network: Json) -> bool:
    errors, count, interval = (network.get(key) for key in ("errors", "count", "interval"))
    numbers = [errors, count, *(interval if isinstance(interval, list) and len(interval) == 2 else [None])]
    return all(isinstance(x, int | float) and not isinstance(x, bool) for x in numbers) and bool(count)


def _network(old: Json) -> Json:
    errors, count, (low, high) = old["errors"], old["count"], old["interval"]
    accuracy = [100 * (1 - k / count) for k in (errors, high, low)]
    scores = {"errors": (errors, [low, high]), "accuracy": (accuracy[0], accuracy[1:])}
    rest = {key: value for key, value in old.items() if key not in ("errors", "interval")}
    role = old.get("role")
    new = rest | {"role": ROLES.get(role, role) if isinstance(role, str) else role}
    new["scores"] = {name: {"value": value, "interval": interval} for name, (value, interval) in scores.items()}
    if isinstance(best := old.get("best"), dict) and "errors" in best:
        new["best"] = {"epoch": best.get("epoch"), "scores": {"errors": best["errors"]}}
    if isinstance(validation := old.get("validation"), dict):
        new["validation"] = _known(validation)
    return new


def _claim(claim: Json, networks: Sequence[Json]) -> Json:
    """A claim with its reason, and the interval of the network that it measured."""
    new = {key: value for key, value in claim.items() if key != "scale"}
    new |= {"reason": claim["scale"]} if claim.get("scale") else {}
    interval = None if "interval" in claim or claim.get("paired") else _interval(claim, networks)
    return new | ({"interval": interval} if interval else {})


def _interval(claim: Json, networks: Sequence[Json]) -> list[float] | None:
    measured, unit = claim.get("measured"), claim.get("unit")
    if unit == "test errors":
        return next((list(network["interval"]) for network in networks if network["errors"] == measured), None)
    counts = {network["count"] for network in networks}
    if unit == "% errors" and len(counts) == 1 and isinstance(measured, int | float) and 0 <= measured <= 100:
        count = counts.pop()
        return [100 * bound / count for bound in wilson(round(measured * count / 100), count)]
    return None


def _epoch(line: Any) -> Any:
    validation = line.get("validation") if isinstance(line, dict) else None
    return line | {"validation": _known(validation)} if isinstance(validation, dict) else line


def _known(validation: Json) -> Json:
    return {key: value for key, value in validation.items() if value is not None}

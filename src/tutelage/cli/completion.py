"""``tutelage completion``: Tab in the shell asks ``tutelage completion --line …`` what could come next."""

from collections.abc import Sequence
from pathlib import Path

from tutelage.cli.common import Common, without
from tutelage.cli.compress import COMPRESS
from tutelage.cli.distill import DISTILL
from tutelage.cli.failures import DONE, Usage, did_you_mean
from tutelage.cli.find import find
from tutelage.cli.flags import flags_of, flags_of_bundle, flags_of_settings, leaves
from tutelage.cli.recipe import recipes_in, shipped
from tutelage.cli.sweep import Sweeping

SCRIPTS = {
    "bash": """\
_tutelage() {
    local word="${COMP_LINE:0:COMP_POINT}" IFS=$'\\n'
    COMPREPLY=($(tutelage completion --line "$word" 2>/dev/null))
    word="${word##* }"
    if [[ "$word" == *:* ]]; then  # bash splits words at colons
        local before="${word%"${word##*:}"}"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
}
complete -o default -F _tutelage tutelage
""",
    "zsh": """\
#compdef tutelage
_tutelage() {
    local -a found
    found=("${(@f)$(tutelage completion --line "${LBUFFER}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _tutelage tutelage
""",
    "fish": """\
complete -c tutelage -a '(tutelage completion --line (commandline -cp | string collect) 2>/dev/null)'
""",
}


def completion(words: Sequence[str]) -> int:
    """Print the completion script for bash, zsh or fish.

    bash: eval "$(tutelage completion bash)" in ~/.bashrc · zsh: the same in ~/.zshrc, after compinit ·
    fish: tutelage completion fish > ~/.config/fish/completions/tutelage.fish
    """
    match list(words):
        case ["--line", line]:
            print("\n".join(candidates(line)))
        case [shell] if shell in SCRIPTS:
            print(SCRIPTS[shell], end="")
        case [shell]:
            raise Usage(
                f"Completion is there for {', '.join(SCRIPTS)}, not for {shell!r}{did_you_mean(shell, SCRIPTS)}"
            )
        case _:
            raise Usage(f"Which shell? tutelage completion {'|'.join(SCRIPTS)}")
    return DONE


def candidates(line: str) -> list[str]:
    """What the last word of ``line`` may become; nothing where a file name or a free value is wanted.

    >>> candidates("tutelage re"), candidates("tutelage completion ")
    (['report'], ['bash', 'zsh', 'fish'])
    """
    from tutelage.cli.command import COMMANDS

    *before, word = line.split(" ")
    return [x for x in _possible([w for w in before if w], list(COMMANDS)) if x.startswith(word)]


def _possible(before: Sequence[str], commands: list[str]) -> list[str]:
    match before:
        case [_]:
            return [*commands, "--help", "--version"]
        case [_, "run" | "sweep"]:
            return [recipe.name for name, module in shipped().items() for recipe in recipes_in(module, name)]
        case [_, "run" | "sweep" as verb, path, *rest]:
            return _flags(path, verb, rest[-1] if rest else "")
        case [_, "distill" | "compress" as verb, *rest]:
            return _flags(COMPRESS if verb == "compress" else DISTILL, "run", rest[-1] if rest else "")
        case [_, "completion"]:
            return list(SCRIPTS)
        case [_, "check", *rest]:
            from tutelage.cli.check import check_flags

            flags = check_flags()
            last = next((flag for flag in flags if rest and flag.spelled == rest[-1]), None)
            return (
                last.choices
                if last is not None and last.choices
                else [*(x for f in flags for x in f.spellings), "--help"]
            )
        case [_, "measure", *_]:
            from tutelage.cli.measure import Measuring
            from tutelage.study.own.settings import DataSettings

            mine = [spelling for flag in flags_of_settings(DataSettings) for spelling in flag.spellings]
            return [*(flag.spelled for flag in flags_of_bundle(Measuring)), *mine, "--help"]
        case [_, "report", *_]:
            from tutelage.cli.report import Asked

            return [*(flag.spelled for flag in flags_of_bundle(Asked)), "--help"]
        case [_, "export", *_]:
            from tutelage.cli.export import Exporting

            return [*(flag.spelled for flag in flags_of_bundle(Exporting)), "--help"]
        case _:
            return []


def _flags(path: str, verb: str, last: str) -> list[str]:
    try:
        recipe, _ = find(path)
    except (ValueError, ImportError):
        return []
    mine = leaves(flags_of(recipe.function))
    bundle = without(tuple(flag.name for flag in mine), Sweeping if verb == "sweep" else Common)
    every = flags_of_bundle(bundle)
    if last == "--preset":
        return list(recipe.presets)
    before = next((flag for flag in (*mine, *every) if last == flag.spelled), None)
    if before is not None and (before.choices or before.name == "from" or Path in before.kinds):
        return before.choices  # none for a file: the shell knows those
    return [*(spelling for flag in mine for spelling in flag.spellings), *(flag.spelled for flag in every), "--help"]

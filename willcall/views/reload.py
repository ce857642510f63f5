"""The answers of processes to a reload, as text."""

from collections.abc import Sequence

from willcall.schemas.operations import NO_ANSWER, TAKEN, ProcessReload


def describe_reload(answer: ProcessReload) -> str:
    """Return what a process did, in one line."""
    if answer.outcome == NO_ANSWER:
        return "no answer"
    if answer.errors:
        return f"refused: {'; '.join(answer.errors)}"
    return f"took the configuration{describe_restart(answer.restart_for)}"


def describe_restart(names: Sequence[str]) -> str:
    """Return which settings need a restart, to follow another text; empty if none do."""
    return f"; restart needed for: {', '.join(names)}" if names else ""


def summarize_reloads(answers: Sequence[ProcessReload]) -> str:
    """Return the answers of all processes in few sentences."""
    if not answers:
        return "No process is running."
    taken = [answer for answer in answers if answer.outcome == TAKEN]
    all_names = sorted({name for answer in taken for name in answer.restart_for})
    total = f"{len(answers)} processes" if len(answers) > 1 else "1 process"
    sentences = [f"{len(taken)} of {total} took the configuration{describe_restart(all_names)}."]
    sentences += [f"{each.kind} {each.name}: {describe_reload(each)}." for each in answers if each not in taken]
    return " ".join(sentences)

"""The command that shows messages which no task could take, and sends them again or forgets them."""
# ruff: noqa: PLC0415 - see cli.session

from typing import TYPE_CHECKING, Annotated

import typer

from cli.errors import CommandError
from cli.output import note, plain, results, write_line
from cli.session import open_config, open_stores
from willcall.orders.documents import rfc3339
from willcall.usecases.wording import counted, relative

if TYPE_CHECKING:
    from willcall.stores.dead_letters import DeadLetter, DeadLetterStore


def dead_letters(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON per message, with all of it.")] = False,
    requeue: Annotated[str | None, typer.Option(metavar="ID", help="Send one again to the queue it came from.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget all of them.")] = False,
) -> None:
    """List messages in our queues that no task could take: not JSON, no task, or a task that does not exist."""
    config = open_config()
    stores = open_stores(config)
    if requeue:
        _requeue(stores.dead_letters, requeue)
    elif clear:
        typer.echo(f"{counted(stores.dead_letters.clear(), 'message')} forgotten.")
    elif letters := stores.dead_letters.newest():
        _show(letters, stores.accounts.now(), as_json=as_json)
    else:
        note("There is no dead letter.")


def _show(letters: "list[DeadLetter]", now: float, *, as_json: bool) -> None:
    if as_json:
        for letter in letters:
            write_line(_document(letter))
        return
    from cli.views import bare_table

    table = bare_table()
    for title in ("id", "queue", "came", "what"):
        table.add_column(title, overflow="fold")
    for letter in letters:
        what = f"{letter.reason.text}; {letter.size:,} bytes"
        table.add_row(letter.id, plain(letter.queue), relative(letter.at, now, 1), what)
    results().print(table)


def _document(letter: "DeadLetter") -> dict[str, object]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "at": rfc3339(letter.at),
        "reason": letter.reason.value,
        "size": letter.size,
        "truncated": not letter.whole,
        "raw": letter.raw.decode(errors="backslashreplace"),
    }


def _requeue(store: "DeadLetterStore", letter_id: str) -> None:
    from workers.app import create_app
    from workers.messages import send_again

    letter = store.get(letter_id)
    if letter is None:
        raise CommandError(f"there is no dead letter {letter_id}")
    if not letter.whole:
        raise CommandError(
            f"the dead letter {letter_id} was cut to {len(letter.raw):,} bytes, and cannot be sent again"
        )
    try:
        send_again(create_app(open_config()), letter)
    except ValueError:
        raise CommandError(f"the dead letter {letter_id} {letter.reason.text}, and cannot be sent again") from None
    store.remove(letter_id)
    typer.echo(f"Sent to {letter.queue} again.")

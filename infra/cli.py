"""The `sightlog` command. Each command imports what it needs when it runs, so `--help` is instant."""

import asyncio
import importlib
import inspect
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from infra.settings import Settings, load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def say(line: str) -> None:
    out.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {escape(line)}", soft_wrap=True)


def stop(message: str) -> NoReturn:
    err.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(1)


def call(module: str, name: str, *args: object) -> Any:
    """A command that lives in another folder."""
    try:
        result = getattr(importlib.import_module(module), name)(*args)
        return asyncio.run(result) if inspect.iscoroutine(result) else result
    except Exception as problem:
        from infra.failures import words

        if (said := words(problem)) is None:
            raise
        stop(said)


@app.command()
def up(
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Choose ports nobody uses; remember them.")] = False,
    servers: Annotated[bool, typer.Option("--servers", help="No process of ours, to run one by hand.")] = False,
) -> None:
    """Start the local stack in the background and wait until it is ready."""
    from infra.local import stack
    from infra.local.ports import PortInUse

    try:
        record = stack.up(load(), say, free_ports, servers)
    except (PortInUse, stack.NotReady, RuntimeError) as problem:
        stop(str(problem))
    say(f"ready: {record['api']}; addresses and credentials are in {load().var / 'stack.json'}")


@app.command()
def down() -> None:
    """Stop the local stack; what it stored stays."""
    from infra.local import stack

    say("stopped" if stack.down(load(), say) else "nothing was running")


@app.command()
def status() -> None:
    """Show every part of the local stack; exit status 1 when one is unwell."""
    from infra.local import stack

    states = stack.status(load())
    table = Table("part", "state", "pid", "up", "ready")
    for part in states:
        table.add_row(
            part.name, part.state, str(part.pid or ""), f"{part.seconds} s", "yes" if part.ready else part.why
        )
    out.print(table)
    if not all(part.ready for part in states):
        raise typer.Exit(1)


@app.command()
def doctor() -> None:
    """Say what is missing or unwell, and what to do about it."""
    from infra.local.doctor import examine

    findings = examine(load())
    for finding in findings:
        mark = "[green]well  [/green]" if finding.well else "[red]unwell[/red]"
        out.print(f"{mark} {finding.what}: {escape(finding.words)}", soft_wrap=True)
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Run the main job on a running stack and check every step of it."""
    raise typer.Exit(call("infra.demo", "main") or 0)


@app.command()
def migrate() -> None:
    """Bring the tables of Postgres and ClickHouse to the newest state."""
    call("infra.migrate", "migrate", load())


@app.command()
def rebuild(name: Annotated[str, typer.Argument(help="A projection, or `streams`.")]) -> None:
    """Make a projection anew from the log, beside the live one, and swap it in."""
    call("streams.rebuild" if name == "streams" else "projections.rebuild", "rebuild", name)


@app.command()
def replay(
    topic: Annotated[str | None, typer.Option(help="Only what was put aside from this topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only what was put aside for this, as in `not_avro`.")] = None,
) -> None:
    """Put dead letters back where they came from, after a fix; what was put back before stays out."""
    from infra.replay import counted

    fates = call("infra.replay", "replay", load(), topic, reason)
    if not fates:
        say("no dead letters wait")
        return
    table = Table("topic", "reason", "letters", "now")
    for (origin, said, fate), count in counted(fates).items():
        table.add_row(origin, said, str(count), fate)
    out.print(table)


@app.command()
def token(
    organisation: Annotated[str, typer.Argument(help="An organisation's short name.")] = "acme",
    role: Annotated[str, typer.Option(help="What the bearer may do.")] = "owner",
    dialect: Annotated[str, typer.Option(help="The API it opens: acusight or iot.")] = "iot",
) -> None:
    """Print an access token for an organisation."""
    out.print(call("infra.seed", "token", load(), organisation, role, dialect), soft_wrap=True, markup=False)


@app.command("second-factor")
def second_factor(
    email: Annotated[str, typer.Argument(help="An account.")],
    off: Annotated[bool, typer.Option("--off", help="Ask for codes no longer.")] = False,
) -> None:
    """Ask an account for one-time codes at sign-in; print what its authenticator app takes in."""
    try:
        address = call("api.operators", "second_factor", load(), email, off)
    except ValueError as problem:
        stop(str(problem))
    out.print(address or "off", soft_wrap=True, markup=False)


@app.command("site-key")
def site_key(
    organisation: Annotated[str, typer.Argument(help="Id of an organisation.")],
    site: Annotated[str, typer.Argument(help="Id of a site of it.")],
) -> None:
    """Make a key that an Nx site signs in with; print it."""
    try:
        out.print(call("api.operators", "site_key", load(), organisation, site), markup=False)
    except ValueError as problem:
        stop(str(problem))


@app.command()
def partner(
    name: Annotated[str, typer.Argument(help="Its name.")],
    over: Annotated[list[str], typer.Option(help="Id of an organisation under it.")],
    member: Annotated[list[str], typer.Option(help="E-mail of somebody who acts as it.")],
    role: Annotated[str, typer.Option(help="What they may do in those organisations.")] = "member",
) -> None:
    """Make a channel partner over organisations; print its id."""
    try:
        out.print(call("api.operators", "partner", load(), name, over, member, role), markup=False)
    except ValueError as problem:
        stop(str(problem))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="One part; all of them where none is named.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
) -> None:
    """Show the last lines of the parts' logs."""
    files = log_files(load(), name)
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in text[len(text) - lines :] if len(text) > lines else text:
            print_line(file, line, many=len(files) > 1)
    if follow:
        for file, line in appended(files):
            print_line(file, line, many=len(files) > 1)


def log_files(settings: Settings, name: str | None) -> list[Path]:
    found = sorted((settings.var / "logs").glob(f"{name or '*'}.log"))
    if not found:
        stop(f"No log of {name or 'any part'} in {settings.var / 'logs'}.")
    return found


def print_line(file: Path, line: str, many: bool) -> None:
    out.print(f"{file.stem}: {line}" if many else line, markup=False, soft_wrap=True)


def appended(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Lines as they come; a file that was turned over is read from its start."""
    at = {file: file.stat().st_size for file in files}
    while True:
        for file in files:
            size = file.stat().st_size if file.exists() else 0
            start = at[file] if size >= at[file] else 0
            if size > start:
                with file.open("rb") as text:
                    text.seek(start)
                    fresh = text.read(size - start)
                whole = fresh.rfind(b"\n") + 1
                at[file] = start + whole
                yield from ((file, line) for line in fresh[:whole].decode(errors="replace").splitlines())
        time.sleep(0.3)


def main() -> None:
    app()


if __name__ == "__main__":
    main()

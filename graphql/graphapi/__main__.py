"""The command line ``spurwechsel``.

Exit codes: 0 done, 1 refused or failed (one line says why), 2 wrong usage or a wrong setting, 3 the database
cannot be reached, 130 ended by Ctrl-C.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar
from uuid import UUID

import msgspec
import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from directory import membership
from directory.actors import SYSTEM, Role
from directory.checking import language as language_tag
from directory.database import Database, Unavailable
from directory.exporting import EXPORTS, ExportRefused, Format, export_directory
from directory.exporting.run import OBJECTS
from directory.importing import Reading
from directory.importing.report import ImportRefused, Refusal
from directory.models import Municipality, Partner
from directory.problems import Problem
from directory.reaching import Guard
from graphapi import demo, keeping
from graphapi.addresses import networks
from graphapi.backing_up import BackupFailed
from graphapi.connecting import Addresses, key_store, migrate_all, reached_database
from graphapi.demo import DemoFailed
from graphapi.embedded import EmbeddedError
from graphapi.importing import import_network, sentences_of, tables_of
from graphapi.jobs import run_jobs
from graphapi.logs import configure_logging
from graphapi.mailing import Mail, mail_of
from graphapi.messages import message_for
from graphapi.opening import Opening
from graphapi.progress import shown
from graphapi.searching import advice, local_engine, search_cli
from graphapi.settings import SettingsRefused, read_settings
from graphapi.web.assets import AssetsNotInstalled
from graphapi.web.assets import install as install_assets
from referrals.personal_data.keystore import KeyStore, KeyStoreOutdated, MasterKeyWrong
from referrals.personal_data.register import as_json as register_as_json
from referrals.personal_data.register import as_markdown as register_as_markdown
from referrals.personal_data.register import as_printout as register_as_printout
from referrals.personal_data.register import register as register_of
from referrals.personal_data.retention import run_deletion
from referrals.personal_data.rotation import RotationRefused
from referrals.printing import render
from search.engine import SearchUnavailable
from search.local import LocalEngine

T = TypeVar("T")

PHASES: Final = {
    "CONTINUE": "Going on",
    "READ": "Reading",
    "STAGE": "Staging",
    "TAKE_OVER": "Taking over",
    "CLEAN": "Cleaning up",
}

cli = typer.Typer(
    name="spurwechsel",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Partner directory and referral exchange. Settings come from the environment; see the README.",
)
token_cli = typer.Typer(
    no_args_is_help=True, help="Create, list and revoke the tokens that members sign in with."
)
cli.add_typer(token_cli, name="token")
cli.add_typer(keeping.master_key_cli, name="master-key")
cli.add_typer(search_cli, name="search")
cli.command(epilog="Example: `spurwechsel backup /backup/data --keys /vault/keys`")(keeping.backup)
cli.command(epilog="Example: `spurwechsel restore /backup/data/spurwechsel-20260301T020000Z.dump`")(
    keeping.restore
)
cli.command(name="apply-erasures", epilog="Example: `spurwechsel apply-erasures`")(keeping.apply_erasures)


@cli.command(epilog="Example: `SPURWECHSEL_PORT=8080 spurwechsel serve`")
def serve() -> None:
    """Serve the GraphQL face until Ctrl-C or SIGTERM."""
    # Here, as in `schema`: making the schema takes longer than all the other commands need to start.
    from graphapi.serving import serve as run_server

    run_server(read_settings())


@cli.command(epilog="Example: `DATABASE_URL=postgresql://… DATABASE_READER_URL=… spurwechsel jobs`")
def jobs() -> None:
    """Run the jobs: what writers left for later, and what the clock asks for."""
    settings = read_settings()
    configure_logging(settings.log_level)
    with reached_database(settings) as addresses:
        links = Guard(networks(settings.link_networks)) if settings.check_links else None
        # read only: the server of this host keeps the index up
        engine = local_engine(settings)
        keys = key_store(settings, addresses.keys)
        asyncio.run(_jobs(addresses, mail_of(settings), keys, links, engine))


async def _jobs(
    addresses: Addresses, mail: Mail | None, keys: KeyStore, links: Guard | None, engine: LocalEngine
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await run_jobs(addresses.app, addresses.reader, stop, keys=keys, mail=mail, links=links, engine=engine)


@cli.command(name="demo", epilog="Example: `spurwechsel demo --port 8010 --data /tmp/demo --json`")
def demo_(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the server.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder; kept between runs.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print address and tokens as one JSON line.")] = False,
) -> None:
    """Run everything with the demo network: PostgreSQL, server and jobs. Ctrl-C ends all of it."""
    given = {name: value for name, value in (("port", port), ("data", data)) if value is not None}
    demo.run(read_settings(**given), as_json=json)


@cli.command(epilog="Example: `DATABASE_OWNER_URL=postgresql://spurwechsel_owner@… spurwechsel migrate`")
def migrate() -> None:
    """Bring both databases to the newest schema; running it twice changes nothing."""
    settings = read_settings()
    with reached_database(settings) as addresses:
        typer.echo(f"Schema is at {asyncio.run(migrate_all(addresses))}.")


@cli.command(name="import", epilog="Example: `spurwechsel import network.json --publish`")
def import_(
    source: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            help="A network file; HSDS 3 as JSON, NDJSON or a package; an HSDS 1.1 package; a spreadsheet"
            " (CSV, XLSX); the folder of a Services Advisor; Ohana files, all of them.",
        ),
    ],
    municipality: Annotated[
        str | None,
        typer.Option(
            help="ARS key of the municipality the entries belong to; left out: where they are already,"
            " else the only one there is."
        ),
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish the entries at once.")] = False,
    withdraw_missing: Annotated[
        bool, typer.Option("--withdraw-missing", help="Hide entries that the source had and has no more.")
    ] = False,
    withdraw_most: Annotated[
        bool, typer.Option("--withdraw-most", help="Hide them even if they are more than a third of it.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the source: the same name means the same entries.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence, where the source does not say it.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of HSDS 3 texts (BCP 47); English unless said.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Load partners and services; importing the same twice changes nothing.

    An import that was ended in the middle (killed, Ctrl-C) goes on where it was when it is run again.
    """
    reading = Reading(
        name=name, licence=licence, language=None if language is None else language_tag(language, "language")
    )
    with shown(PHASES) as show:
        report = _with_keys(
            lambda database, keys: import_network(
                database,
                keys,
                source,
                municipality=municipality,
                publish=publish,
                withdraw_missing=withdraw_missing,
                withdraw_most=withdraw_most,
                reading=reading,
                progress=lambda phase, done, total: show(phase.value, done, total),
            )
        )
    if json:
        sys.stdout.write(report.as_json().decode() + "\n")
    else:
        for table in tables_of(report):
            Console().print(table)
        for sentence in sentences_of(report, published=publish):
            typer.echo(sentence)


@cli.command(epilog="Example: `spurwechsel assets`")
def assets(
    folder: Annotated[
        Path | None, typer.Option(help="Where to; then SPURWECHSEL_WEB_ASSETS names it to the server.")
    ] = None,
) -> None:
    """Install what the pages need from npm, as locked (KERN UX, htmx, Leaflet); without it they are plain."""
    typer.echo(f"Installed in {install_assets(folder)}.")


@cli.command(epilog="Example: `spurwechsel export partners.xlsx --format xlsx`")
def export(
    path: Annotated[Path, typer.Argument(help="File, or for packages a folder or .zip, that is written.")],
    format_: Annotated[
        Format,
        typer.Option("--format", help="; ".join(f"{name}: {said}" for name, said in EXPORTS.items()) + "."),
    ],
    of: Annotated[str, typer.Option(help=f"What a JSON export is of: {', '.join(OBJECTS)}.")] = "all",
    source: Annotated[str | None, typer.Option(help="Only what was imported from this source.")] = None,
    language: Annotated[
        list[str] | None, typer.Option(help="Languages of texts, the first that there is; may be repeated.")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="JSON with the German profile: everything the directory knows.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Write what is published to a file; it appears whole at the end, or not at all."""
    languages = tuple(language_tag(tag, "language") for tag in language or ())
    with shown({"EXPORT": "Writing"}) as show:
        report = _with_database(
            lambda database: export_directory(
                database,
                path,
                format_,
                of=of,
                source=source,
                languages=languages,
                profile=profile,
                progress=lambda done, total: show("EXPORT", done, total),
            )
        )
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        gone = f"; {report.gone} that are no more" if report.gone else ""
        typer.echo(f"{report.path}: {report.partners} partners, {report.services} services{gone}.")


@cli.command(epilog="Example: `spurwechsel schema > graphql/schema.graphql`")
def schema() -> None:
    """Print the published GraphQL schema."""
    from graphapi.schema import print_schema

    sys.stdout.write(print_schema())


@cli.command(name="delete-due", epilog="Example: `spurwechsel delete-due --dry-run`")
def delete_due(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; delete and write nothing.")] = False,
) -> None:
    """Delete what is due by the retention classes, and print the proof; the jobs do it every night."""
    proof = _with_keys(lambda database, keys: run_deletion(database, keys, dry_run=dry_run))
    table = Table("Class", "Municipality", "Would go" if dry_run else "Deleted", "Held", "Due from", "Due to")
    for line in proof.lines:
        table.add_row(
            line.retention_class,
            str(line.municipality_id or ""),
            str(line.deleted),
            str(line.held),
            f"{line.oldest_due:%Y-%m-%d}" if line.oldest_due else "",
            f"{line.newest_due:%Y-%m-%d}" if line.newest_due else "",
        )
    Console().print(table)
    typer.echo(f"Run {proof.id or 'not made'}, rules {proof.rules}.")


@cli.command(epilog="Example: `spurwechsel register --language en --format pdf > register.pdf`")
def register(
    language: Annotated[str, typer.Option(help="de or en.")] = "de",
    format_: Annotated[str, typer.Option("--format", help="md, json or pdf.")] = "md",
) -> None:
    """Print the register of processing activities (GDPR Art. 30), written from the data model."""
    if language not in {"de", "en"}:
        raise typer.BadParameter("--language must be de or en")
    found = register_of(language)
    if format_ == "md":
        sys.stdout.write(register_as_markdown(found))
    elif format_ == "json":
        sys.stdout.write(register_as_json(found).decode() + "\n")
    elif format_ == "pdf":
        sys.stdout.buffer.write(render(register_as_printout(found)))
    else:
        raise typer.BadParameter("--format must be md, json or pdf")


@token_cli.command(
    name="create",
    epilog="Examples: `spurwechsel token create --member 6f…e1 --days 90`,"
    " `spurwechsel token create --coordination 120520000000 --role LEAD`",
)
def token_create(
    member: Annotated[str | None, typer.Option(help="Id of the member.")] = None,
    partner: Annotated[str | None, typer.Option(help="Id of the partner that gets a new member.")] = None,
    coordination: Annotated[
        str | None, typer.Option(help="ARS of the municipality whose coordination gets one.")
    ] = None,
    role: Annotated[Role, typer.Option(help="Role of the new member.")] = Role.PARTNER_MEMBER,
    name: Annotated[str, typer.Option(help="What colleagues see of the new member.")] = "Administration",
    label: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is valid.")] = 90,
) -> None:
    """Create a token for a member, or for a new member who administers a partner; it is shown once."""
    if sum(given is not None for given in (member, partner, coordination)) != 1:
        raise typer.BadParameter("give one of --member, --partner and --coordination")

    async def create(database: Database) -> str:
        async with database.work(SYSTEM) as work:
            if member is not None:
                member_id = _id(member, "--member")
            else:
                partner_id = (
                    _id(partner, "--partner")
                    if partner is not None
                    else await _coordination(work.session, coordination or "")
                )
                draft = membership.MemberDraft(name=name, role=role, administers=True)
                member_id = (await membership.add_member(work, partner_id, draft)).id
            token = await membership.create_token(
                work, member_id, label, expires_at=work.now + timedelta(days=days)
            )
        return token.secret

    sys.stdout.write(_with_database(create) + "\n")


@token_cli.command(name="list", epilog="Example: `spurwechsel token list --partner 6f…e1`")
def token_list(
    partner: Annotated[str | None, typer.Option(help="Id of the partner.")] = None,
    coordination: Annotated[
        str | None, typer.Option(help="ARS of the municipality whose coordination is meant.")
    ] = None,
) -> None:
    """List a partner's tokens: whose, what for, until when; never the tokens themselves."""
    if (partner is None) == (coordination is None):
        raise typer.BadParameter("give either --partner or --coordination")

    async def read(database: Database) -> list[tuple[str, membership.TokenEntry]]:
        async with database.view(SYSTEM) as session:
            partner_id = (
                _id(partner, "--partner")
                if partner is not None
                else await _coordination(session, coordination or "")
            )
            return [
                (member.name, token)
                for member in await membership.members(session, SYSTEM, partner_id)
                for token in await membership.tokens(session, SYSTEM, member.id)
            ]

    # the id is what `revoke` needs: never cut, however narrow the terminal is
    table = Table(Column("Token", no_wrap=True, min_width=36), "Member", "Label", "Valid until", "Revoked")
    for name, token in _with_database(read):
        table.add_row(
            str(token.id),
            name,
            token.label,
            f"{token.expires_at:%Y-%m-%d}",
            f"{token.revoked_at:%Y-%m-%d}" if token.revoked_at else "",
        )
    Console().print(table)


@token_cli.command(name="revoke", epilog="Example: `spurwechsel token revoke 6f…e1`")
def token_revoke(token: Annotated[str, typer.Argument(help="Id of the token, as `list` shows it.")]) -> None:
    """Revoke a token at once."""
    token_id = _id(token, "TOKEN")

    async def revoke(database: Database) -> None:
        async with database.work(SYSTEM) as work:
            await membership.revoke_token(work, token_id)

    _with_database(revoke)
    typer.echo("Revoked.")


def _id(text: str, option: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"{option} must be an id such as {UUID(int=0)}") from None


async def _coordination(session: AsyncSession, ars: str) -> UUID:
    found = await session.scalar(
        select(Partner.id)
        .join(Municipality, Municipality.id == Partner.municipality_id)
        .where(Municipality.ars == ars, Partner.coordinates)
    )
    if found is None:
        raise typer.BadParameter("no municipality with this ARS has a coordination; import its network first")
    return found


def _with_database(act: Callable[[Database], Awaitable[T]]) -> T:
    async def opened(addresses: Addresses) -> T:
        database = Database(addresses.app, addresses.reader, pool_size=4)
        await database.start()
        try:
            return await act(database)
        finally:
            await database.stop()

    with reached_database(read_settings()) as addresses:
        return asyncio.run(opened(addresses))


def _with_keys(act: Callable[[Database, KeyStore], Awaitable[T]]) -> T:
    settings = read_settings()

    async def opened(addresses: Addresses) -> T:
        # taking over a large directory is a few large statements, and a busy machine is no broken one
        database = Database(addresses.app, addresses.reader, pool_size=4, patience=None)
        keys = key_store(settings, addresses.keys)
        await database.start()
        try:
            await Opening(database, keys).ensure()
            return await act(database, keys)
        finally:
            await keys.stop()
            await database.stop()

    with reached_database(settings) as addresses:
        return asyncio.run(opened(addresses))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; every expected failure is one line on standard error."""
    try:
        cli(arguments)
    except SettingsRefused as refused:
        _fail(f"settings: {refused}", 2)
    except Unavailable:
        _fail("the database cannot be reached. Does it run, and is DATABASE_URL right?", 3)
    except ImportRefused as refused:
        sentence = str(refused)
        if refused.reason is Refusal.MUNICIPALITY_NEEDED:
            key = refused.where.split(" ", 1)[0]
            given = sys.argv[1:] if arguments is None else arguments
            sentence += f"\nFor example: {shlex.join(['spurwechsel', *given, '--municipality', key])}"
        _fail(sentence, 1)
    except (
        AssetsNotInstalled,
        BackupFailed,
        ExportRefused,
        KeyStoreOutdated,
        MasterKeyWrong,
        RotationRefused,
    ) as refused:
        _fail(str(refused), 1)
    except EmbeddedError as failed:
        _fail(f"{failed.message} {failed.hint}", 1)
    except DemoFailed as failed:
        _fail(str(failed), 1)
    except SearchUnavailable as away:
        _fail(f"a search engine cannot do this now ({away}). {advice(str(away))}", 1)
    except Problem as problem:
        _fail(message_for(problem, "en"), 1)


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(f"spurwechsel: {sentence}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()

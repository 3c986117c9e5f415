"""The commands that keep keys and data safe: rotation of the master key, backup, restore."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import SecretStr
from sqlalchemy.exc import ProgrammingError

from directory.database import Database, utc_now
from graphapi import backing_up
from graphapi.backing_up import KEEP_DAYS, BackedUp, BackupFailed, Restored, check_apart, delete_old
from graphapi.connecting import Addresses, key_store, master_key_text, reached_database
from graphapi.progress import Shown, shown
from graphapi.settings import Settings, SettingsRefused, read_settings
from referrals.personal_data import rotation
from referrals.personal_data.erasing import agree
from referrals.personal_data.sealing import MasterKey, generate_master_key

PHASES: Final = {
    "WRAP": "Wrapping keys anew",
    "VERIFY": "Proving every key",
    "DUMP": "Tables saved",
    "DUMP_KEYS": "Tables of the key store saved",
    "RESTORE": "Tables restored",
}

master_key_cli = typer.Typer(
    invoke_without_command=True,
    help="Print a new master key for SPURWECHSEL_MASTER_KEY; keep it apart from the database's backups.",
)


@master_key_cli.callback()
def master_key(context: typer.Context) -> None:
    """Print a new master key; `rotate` changes to another one, `retire` forgets the former one."""
    if context.invoked_subcommand is None:
        typer.echo(generate_master_key())


@master_key_cli.command(epilog="Example: `SPURWECHSEL_NEW_MASTER_KEY=… spurwechsel master-key rotate`")
def rotate() -> None:
    """Change to SPURWECHSEL_NEW_MASTER_KEY while the service goes on; run it again if it was interrupted."""
    settings = read_settings()
    current = MasterKey.parse(master_key_text(settings))
    new = _parsed(settings.new_master_key)
    with reached_database(settings) as addresses, shown(PHASES) as show:
        done = asyncio.run(rotation.rotate(_keys_owner(addresses, "rotate"), current, new, show))
    typer.echo(
        f"{done.wrapped} keys were wrapped anew, {done.proven} keys were opened with the new master key"
        f" {done.new}. Both master keys open the store now. Next:\n"
        f"  1. {_where_it_stands(settings)}\n"
        "  2. Restart every server and jobs process.\n"
        "  3. Run: spurwechsel master-key retire\n"
        f"  4. Keep the former key ({done.former}) until the last backup of the key store from before now is"
        " deleted; then destroy it."
    )


def _where_it_stands(settings: Settings) -> str:
    if settings.master_key is None:
        return f"Put the new key into the file {settings.data / 'master.key'}."
    return "Set SPURWECHSEL_MASTER_KEY to the new key everywhere, and unset SPURWECHSEL_NEW_MASTER_KEY."


@master_key_cli.command(epilog="Example: `spurwechsel master-key retire`")
def retire() -> None:
    """Forget the former master key once every process has the new one: then it opens nothing any more."""
    settings = read_settings()
    current = MasterKey.parse(master_key_text(settings))
    with reached_database(settings) as addresses:
        former = asyncio.run(rotation.retire(_keys_owner(addresses, "retire"), current))
    typer.echo(f"The master key {former} opens nothing here any more.")


def backup(
    folder: Annotated[Path, typer.Argument(help="Where the backup is written; made if it is not there.")],
    keys: Annotated[
        Path | None, typer.Option(help="Back up the key store too, into this folder: on another disk.")
    ] = None,
    keep_days: Annotated[
        int, typer.Option(min=1, max=90, help="Delete key backups in that folder that are older, in days.")
    ] = KEEP_DAYS,
) -> None:
    """Back up the database without any key; and the key store apart from it, for a few days only."""
    settings = read_settings()
    if keys is not None:
        check_apart(folder, keys)
    with reached_database(settings) as addresses, shown(PHASES) as show:
        if addresses.backup is None:
            raise SettingsRefused("DATABASE_BACKUP_URL must be set to back up a database of your own")
        now = utc_now()
        made = [asyncio.run(backing_up.back_up(addresses.backup, folder, now, progress=_tables(show)))]
        if keys is not None:
            made.append(_back_up_keys(addresses, keys, now, keep_days, _tables(show)))
    for one in made:
        typer.echo(f"{one.file} ({one.size:,} bytes)")
        for old in one.deleted:
            typer.echo(f"deleted, older than {keep_days} days: {old}")


def _back_up_keys(
    addresses: Addresses, folder: Path, now: datetime, keep_days: int, show: backing_up.Progress
) -> BackedUp:
    owner = _keys_owner(addresses, "back up the key store")
    made = asyncio.run(backing_up.back_up(owner, folder, now, keys=True, progress=show))
    return BackedUp(made.file, made.size, delete_old(folder, now, keep_days))


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A file that `backup` made.")],
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="A backup of the key store, for a lost key store only."
        ),
    ] = None,
) -> None:
    """Restore a backup into an empty database; whoever was erased since is erased in it before it serves."""
    settings = read_settings()
    with reached_database(settings, migrated=False) as addresses, shown(PHASES) as show:
        if addresses.owner is None:
            raise SettingsRefused("DATABASE_OWNER_URL must be set to restore into a database of your own")
        done = asyncio.run(_restored(settings, addresses, file, keys, _tables(show)))
    typer.echo(
        f"Restored; schema {done.revision}. Erased since the backup, and erased again now:"
        f" {done.agreed.cleared} persons ({done.agreed.destroyed} keys destroyed). It may be served."
    )
    if keys is not None:
        typer.echo(
            "The key store is that of its backup: whoever was erased after both backups were made is not"
            " known here. Erase them again."
        )


async def _restored(
    settings: Settings, addresses: Addresses, file: Path, keys_file: Path | None, show: backing_up.Progress
) -> Restored:
    keys_owner = _keys_owner(addresses, "restore")
    if keys_file is not None:
        await backing_up.restore_keys(keys_file, keys_owner, show)
    database = Database(addresses.app, addresses.reader, pool_size=2)
    store = key_store(settings, addresses.keys)
    await database.start()
    try:
        return await backing_up.restore(file, addresses.owner or "", keys_owner, database, store, show)
    finally:
        await store.stop()
        await database.stop()


def apply_erasures() -> None:
    """Apply to each side what the other one has erased; servers and jobs do the same when they start."""
    settings = read_settings()

    async def apply(addresses: Addresses) -> tuple[int, int]:
        database = Database(addresses.app, addresses.reader, pool_size=2)
        store = key_store(settings, addresses.keys)
        await database.start()
        try:
            done = await agree(database, store)
            return done.cleared, done.destroyed
        except ProgrammingError as error:  # a table is missing
            raise BackupFailed(
                "The database is not at the newest schema. Run: spurwechsel migrate"
            ) from error
        finally:
            await store.stop()
            await database.stop()

    with reached_database(settings) as addresses:
        cleared, destroyed = asyncio.run(apply(addresses))
    typer.echo(f"{cleared} persons cleared in the database, {destroyed} keys destroyed in the key store.")


def _parsed(key: SecretStr | None) -> MasterKey | None:
    return None if key is None else MasterKey.parse(key.get_secret_value())


def _keys_owner(addresses: Addresses, to: str) -> str:
    if addresses.keys_owner is None:
        raise SettingsRefused(f"KEYS_DATABASE_OWNER_URL must be set to {to} with a key database of your own")
    return addresses.keys_owner


def _tables(show: Shown) -> backing_up.Progress:
    return lambda phase, tables: show(phase, tables, None)

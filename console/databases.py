"""PostgreSQL for processes apart: a database for each store, and for each role a user that may enter no other.

`placet provision` makes them, as the superuser, where the address of a store names no user; an address that names one
is somebody's own arrangement and is left as it is. All who share a store act in it as its owner, so that whoever comes
first may make its tables. Passwords travel as SCRAM verifiers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Composable, Identifier, Literal

from console.installations import Installation
from estate.errors import BadInput, RetryLater

SUPERUSER = "postgres"
_MEMBERS = """
SELECT member.rolname FROM pg_auth_members JOIN pg_roles owner ON owner.oid = roleid JOIN pg_roles member
ON member.oid = member WHERE owner.rolname = %s
"""


@dataclass(frozen=True, slots=True)
class Store:
    """One store's address, without a user, and who may enter it: PostgreSQL user to password."""

    address: str
    users: Mapping[str, str] = field(repr=False)

    @property
    def database(self) -> str:
        """Its database's name."""
        return name_of(self.address)

    @property
    def owner(self) -> str:
        """The role that owns everything in it, as which nobody logs in."""
        return f"placet_{self.database}"


def names_user(address: str) -> bool:
    """Whether somebody arranged a user of their own."""
    return "user" in _parts(address)


def name_of(address: str) -> str:
    """The database's name. Raises BadInput: the address names none."""
    name = _parts(address).get("dbname")
    if not name:
        raise BadInput(f"`{address}` names no database; write `postgresql://HOST/DATABASE`")
    return name


def as_user(address: str, user: str, password: str) -> str:
    """How that user connects."""
    return make_conninfo(address, user=user, password=password)


def as_role(installation: Installation, address: str) -> str:
    """How one connects to a store there: as the user of the role whose directory this is, where none is named."""
    role = installation.role
    if role is None or names_user(address):
        return address
    return as_user(address, role.name, installation.state.postgres_password(role.name))


def as_owner(store: Store, password: str) -> str:
    """How the superuser connects in the place of the store's owner."""
    return make_conninfo(store.address, user=SUPERUSER, password=password, options=f"-c role={store.owner}")


async def provision(store: Store, password: str) -> None:
    """Make database, owner and users, and let nobody else in. Doing it again changes nothing but passwords.

    Raises:
        RetryLater: the server does not answer, or refuses the superuser's password.
    """
    try:
        address = make_conninfo(store.address, dbname="postgres", user=SUPERUSER, password=password)
        async with await AsyncConnection.connect(address, autocommit=True) as connection:
            await _made(connection, store)
    except psycopg.Error as error:
        raise RetryLater(f"PostgreSQL did not let us make `{store.database}`: {error}") from error


async def _made(connection: AsyncConnection, store: Store) -> None:
    database, owner = Identifier(store.database), Identifier(store.owner)
    await _role(connection, store.owner, SQL("NOLOGIN"))
    if not await _one(connection, "SELECT 1 FROM pg_database WHERE datname = %s", store.database):
        await connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    await connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for user, password in store.users.items():
        verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
        await _role(connection, user, SQL("LOGIN PASSWORD {}").format(Literal(verifier)))
        member = Identifier(user)
        await connection.execute(SQL("GRANT {} TO {}").format(owner, member))
        await connection.execute(
            SQL("ALTER ROLE {} IN DATABASE {} SET role = {}").format(member, database, Literal(store.owner))
        )
    members = await (await connection.execute(_MEMBERS, (store.owner,))).fetchall()
    for (gone,) in members:
        if gone not in store.users:
            await connection.execute(SQL("REVOKE {} FROM {}").format(owner, Identifier(gone)))


async def _role(connection: AsyncConnection, name: str, options: Composable) -> None:
    known = await _one(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name)
    verb = SQL("ALTER ROLE {} {}" if known else "CREATE ROLE {} {}")
    await connection.execute(verb.format(Identifier(name), options))


async def _one(connection: AsyncConnection, question: str, value: str) -> bool:
    cursor: AsyncCursor = await connection.execute(question.encode(), (value,))
    return await cursor.fetchone() is not None


def _parts(address: str) -> dict[str, str]:
    try:
        return {k: str(v) for k, v in conninfo_to_dict(address).items()}
    except psycopg.ProgrammingError as error:
        raise BadInput(f"`{address}` is no address of a PostgreSQL: {str(error).strip()}") from error

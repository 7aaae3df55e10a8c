"""What an API server says of its kinds: the OpenAPI v3 document of each group and version.

Called by whoever compares objects (`tools.drift.schemas` reads the answer). Every account that may log in may read it.
A group that the server does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

from tools.kubernetes import faults
from tools.kubernetes.connecting import Connection, Object


async def documents(connection: Connection, api_versions: Iterable[str]) -> list[Object]:
    """The documents of these (`v1`, `apps/v1`). Raises RetryLater, Denied as the connection does."""
    found = []
    for each in sorted(set(api_versions)):
        root = f"/openapi/v3/apis/{each}" if "/" in each else f"/openapi/v3/api/{each}"
        try:
            found.append(await connection.request("GET", root))
        except faults.NotFound:
            continue
    return found

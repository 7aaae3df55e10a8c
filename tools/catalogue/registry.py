"""The catalogue: every tool that a mind may call, and the one door they are called through.

Callers are the runbook (typed, through `ask`), models (JSON, through `call` or `as_langchain`) and the MCP door.
All tools are pure reads; a faulty call raises `BadInput` whose message is written for the model to correct itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from estate import canonical
from estate.canonical import Json
from estate.clocks import Clock
from estate.drifts import Drift
from estate.errors import BadInput
from estate.ids import ComponentId
from estate.records import Model, explain
from estate.snapshots import Snapshot
from estate.uses.running import ComponentSort, Maker
from tools import contents
from tools.catalogue.drifting import DRIFT
from tools.catalogue.headrooms import HEADROOM
from tools.catalogue.histories import HISTORY
from tools.catalogue.nodes import DESCRIBE_NODE, RACK_POWER, WORKLOADS_ON_NODE
from tools.catalogue.planning import EVACUATE, PLAN_MOVES
from tools.catalogue.plans import PLACE, REHEARSE
from tools.catalogue.promising import ASSURANCE, EXPLAIN_PENDING, FLEET_REPORT, OFFER, WHAT_IF
from tools.catalogue.things import DESCRIBE, GET, LIST, NEIGHBOURS
from tools.catalogue.tools import Answer, Desk, Tool
from tools.catalogue.workloads import LAWFUL_CLUSTERS, SEARCH_WORKLOADS, TENANT_OF_WORKLOAD
from tools.catalogue.xids import XID_MEANING
from tools.inventory.port import Forgotten, Past
from tools.placement.assurance.keeping import Keeper as Assured
from tools.placement.port import Engine
from tools.views.sums import Keeper

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

TOOLS: tuple[Tool[Any, Any], ...] = (
    DESCRIBE_NODE,
    WORKLOADS_ON_NODE,
    TENANT_OF_WORKLOAD,
    SEARCH_WORKLOADS,
    PLACE,
    LAWFUL_CLUSTERS,
    REHEARSE,
    RACK_POWER,
    XID_MEANING,
    GET,
    LIST,
    DESCRIBE,
    NEIGHBOURS,
    HEADROOM,
    HISTORY,
    DRIFT,
    EXPLAIN_PENDING,
    OFFER,
    WHAT_IF,
    ASSURANCE,
    FLEET_REPORT,
    PLAN_MOVES,
    EVACUATE,
)


@cache
def maker(name: str) -> Maker:
    """A tool as it is installed: by the digest of its typed schema and of the code that answers. Raises KeyError."""
    tool = {t.name: t for t in TOOLS}[name]
    form: dict[str, Json] = {
        "name": name,
        "question": tool.question.model_json_schema(),
        "reply": tool.reply.model_json_schema(),
        "code": contents.of_function(tool.run),
    }
    identity = ComponentId(name.replace("_", "-"))
    return Maker(sort=ComponentSort.TOOL, id=identity, content=canonical.digest_of(form))


class Catalogue:
    """The tools over whatever snapshot is the newest when one is called (`lambda: briefing.snapshot` pins one)."""

    def __init__(
        self,
        newest: Callable[[], Snapshot],
        engine: Engine,
        drifts: Callable[[], Sequence[Drift]] = tuple,
        past: Past | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`drifts` tells what is known to have drifted, `past` earlier versions; by default nothing is. By the `clock`
        measurements are fresh or stale; without one they are not counted.
        """
        self._newest = newest
        self._engine = engine
        self._drifts = drifts
        self._past = past or Forgotten()
        self._clock = clock
        self._keeper, self._assured = Keeper(), Assured()
        self._tools = {t.name: t for t in TOOLS}
        self._asked: set[str] = set()
        self._may_tell: Callable[[str], None] | None = None

    def over(self, snapshot: Snapshot, may_tell: Callable[[str], None] | None = None) -> Catalogue:
        """The same tools over that snapshot alone. `may_tell` refuses, by BadInput, an answer in its JSON."""
        narrowed = Catalogue(lambda: snapshot, self._engine)
        narrowed._asked = self._asked
        narrowed._may_tell = may_tell
        return narrowed

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the tools that were asked anything, sorted."""
        return tuple(sorted(self._asked))

    @property
    def names(self) -> tuple[str, ...]:
        """The tools' names, in the order of the catalogue."""
        return tuple(self._tools)

    def ask[Question: Model, Reply: Answer](self, tool: Tool[Question, Reply], question: Question) -> Reply:
        """Call a tool with typed values. Raises BadInput for things that are not in the estate."""
        now = self._clock and self._clock()
        self._asked.add(tool.name)
        kept = self._keeper, self._assured
        return tool.run(Desk(self._newest(), self._engine, self._drifts, self._past, now, *kept), question)

    def call(self, name: str, arguments: str | bytes | Mapping[str, Any]) -> dict[str, Json]:
        """Call a tool by name with JSON; the answer is plain JSON.

        Raises:
            BadInput: unknown tool, arguments that do not fit, a thing that is not in the estate, or an answer that
                whoever asks may not read.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise BadInput(f"no tool `{name}`; there are {', '.join(self._tools)}")
        reply = self.ask(tool, _question(tool, arguments))
        form: dict[str, Json] = tool.reply.model_validate(reply).json_form()
        if self._may_tell is not None:
            self._may_tell(canonical.dumps(form).decode())
        return form

    def schema(self, name: str) -> dict[str, Any]:
        """The JSON Schema of a tool's arguments. Raises BadInput."""
        if name not in self._tools:
            raise BadInput(f"no tool `{name}`; there are {', '.join(self._tools)}")
        schema: dict[str, Any] = self._tools[name].question.model_json_schema()
        return schema

    def as_langchain(self) -> list[BaseTool]:
        """The tools as LangChain knows them; a BadInput becomes the text that the model reads."""
        return [self._langchain(t) for t in self._tools.values()]

    def _langchain(self, tool: Tool[Any, Any]) -> BaseTool:
        from langchain_core.tools import StructuredTool  # for models alone, and slow to load

        def run(**arguments: Any) -> str:
            try:
                return canonical.dumps(self.call(tool.name, arguments)).decode()
            except BadInput as error:
                return f"error: {error}"

        return StructuredTool.from_function(
            run,
            name=tool.name,
            description=tool.description,
            args_schema=tool.question.model_json_schema(),
            infer_schema=False,
        )


def _question(tool: Tool[Any, Any], arguments: str | bytes | Mapping[str, Any]) -> Model:
    form = canonical.loads(arguments) if isinstance(arguments, str | bytes) else arguments
    try:
        found: Model = tool.question.model_validate(form)
    except ValidationError as error:
        raise BadInput(f"arguments of `{tool.name}` do not fit: {explain(error)}") from error
    return found

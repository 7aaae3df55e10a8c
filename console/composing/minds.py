"""The mind that the settings name: the runbook, or a chat model behind it. Called where the agent process is composed.

A vendor's client is a package of LangChain's that whoever runs Placet installs beside it; it is imported in the agent
process alone, which holds no key of Placet's and no writer. Refused: what is not there, what is no chat model, and
arguments that it does not take.
"""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agents.minds.runbook import Runbook
from console.config import ModelMind as Settings
from console.config import RunbookMind
from estate.clocks import Clock
from estate.errors import BadInput

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agents.minds.port import Mind


def chosen(settings: RunbookMind | Settings, clock: Clock) -> Mind:
    """The mind, with nothing asked yet. A model's every fault is answered by the runbook.

    Raises:
        BadInput: there is no such chat model here, or it does not take what the settings give it.
    """
    if isinstance(settings, RunbookMind):
        return Runbook()
    from agents.minds.model import ModelMind
    from agents.minds.reaching import Known

    known = Known(settings.registration, settings.content)
    return ModelMind(_chat(settings), known, Runbook(), clock, timedelta(seconds=settings.within_seconds))


def _chat(settings: Settings) -> BaseChatModel:
    made = _class(settings.chat)
    arguments: dict[str, Any] = dict(settings.arguments)
    if settings.key_file is not None:
        arguments[settings.key_argument] = _secret(settings)
    try:
        return made(**arguments)
    except (ValueError, TypeError, ImportError) as error:
        # A ValidationError repeats its input, and the key is part of that: only the fault's sort is told.
        told = str(error) if settings.key_file is None else type(error).__name__
        raise BadInput(f"mind.arguments: `{settings.chat}` does not take them: {told}") from None


def _class(named: str) -> type[BaseChatModel]:
    from langchain_core.language_models import BaseChatModel

    module, _, name = named.partition(":")
    try:
        found = getattr(import_module(module), name, None)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise BadInput(f"mind.chat: there is no `{module}` here; install `{package}` beside placet") from error
    if not (isinstance(found, type) and issubclass(found, BaseChatModel)):
        raise BadInput(
            f"mind.chat: `{named}` is no chat model of LangChain's; name one as `langchain_openai:ChatOpenAI`"
        )
    return found


def _secret(settings: Settings) -> str:
    assert settings.key_file is not None
    try:
        return settings.key_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInput(f"mind.key_file: `{settings.key_file}` cannot be read: {error.strerror}") from error

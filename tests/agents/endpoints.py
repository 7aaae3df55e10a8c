"""A model behind a real HTTP endpoint that keeps every byte it was sent, and the chat model that asks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from aiohttp import web
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

NOTHING = json.dumps({"answer": "no-plan", "reason": "the model says so"})


@dataclass
class Scripted:
    """A model server: what it answers in turn, and everything it was sent."""

    replies: list[dict[str, Any]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    url: str = ""
    keys: set[str] = field(default_factory=set)

    async def answer(self, request: web.Request) -> web.Response:
        self.sent.append(await request.text())
        self.keys.add(request.headers.get("authorization", ""))
        message = self.replies.pop(0) if self.replies else {"content": NOTHING}
        return web.json_response({"choices": [{"message": message}]})


class OverHttp(BaseChatModel):
    """A chat model that asks an endpoint, with a key where it has one."""

    url: str
    key: str = ""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        body = {"messages": [{"role": m.type, "content": m.content} for m in messages]}
        key = {"authorization": f"Bearer {self.key}"} if self.key else {}
        async with httpx.AsyncClient(trust_env=False) as client:
            told = (await client.post(self.url, json=body, headers=key)).json()["choices"][0]["message"]
        said = AIMessage(told["content"], tool_calls=told.get("tool_calls", []))
        return ChatResult(generations=[ChatGeneration(message=said)])


@asynccontextmanager
async def serving() -> AsyncIterator[Scripted]:
    """An endpoint that listens."""
    made, app = Scripted(), web.Application()
    app.router.add_post("/v1/chat/completions", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/chat/completions"
    yield made
    await runner.cleanup()

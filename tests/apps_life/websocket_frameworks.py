"""A WebSocket app for frameworks of the examples' environment, and one for Django Channels."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute

fastapi_app = FastAPI()
ROOM: list[WebSocket] = []


class Echo(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, websocket: Any) -> None:
        await websocket.accept(subprotocol="json")

    async def on_receive(self, websocket: Any, data: Any) -> None:
        if data == "leave":
            await websocket.close(code=4001, reason="as you wish")
        else:
            await websocket.send_json({"echo": data})

    async def on_disconnect(self, websocket: Any, close_code: int) -> None:
        print(f"starlette saw {close_code}", flush=True)


async def denied(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("no tea", status_code=418))


starlette_app = Starlette(routes=[WebSocketRoute("/echo", Echo), WebSocketRoute("/denied", denied)])


def member(token: str = "") -> str:
    if token != "friend":
        raise HTTPException(401, "who are you?")
    return token


@fastapi_app.websocket("/room")
async def room(websocket: WebSocket, _: str = Depends(member)) -> None:
    """Says what one says to all."""
    await websocket.accept()
    ROOM.append(websocket)
    try:
        async for words in websocket.iter_text():
            for each in ROOM:
                await each.send_text(words)
    except WebSocketDisconnect:
        pass
    ROOM.remove(websocket)


def make_channels_app() -> Any:
    import django
    from django.conf import settings

    settings.configure(SECRET_KEY="tests", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
    django.setup()
    from channels.generic.websocket import AsyncWebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.core.asgi import get_asgi_application
    from django.urls import path

    class Reverser(AsyncWebsocketConsumer):
        async def connect(self) -> None:
            if self.scope["url_route"]["kwargs"]["name"] == "stranger":
                await self.close()
            else:
                await self.accept()

        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            data = text_data or bytes_data
            assert data is not None
            if data == "leave":
                await self.close(code=4002, reason="bye")
            elif isinstance(data, str):
                await self.send(text_data=data[::-1])
            else:
                await self.send(bytes_data=data[::-1])

    routes = URLRouter([path("as/<str:name>", Reverser.as_asgi())])
    return ProtocolTypeRouter({"http": get_asgi_application(), "websocket": routes})


urlpatterns: list[Any] = []

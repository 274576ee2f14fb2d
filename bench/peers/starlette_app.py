"""The hello of functions/hello_py.py on Starlette, served by one uvicorn process."""

import socket
from datetime import datetime, timezone

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def hello(request: Request) -> JSONResponse:
    body = await request.json()
    name = body.get("name") or "World"
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return JSONResponse(
        {
            "message": f"Hello, {name}!",
            "timestamp": now.replace("+00:00", "Z"),
        }
    )


app = Starlette(routes=[Route("/api/functions/hello", hello, methods=["POST"])])

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print("port", listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])

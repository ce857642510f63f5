"""`python -m bench.performance.minimal_api`: a minimal FastAPI app to compare Willcall's API with.

It parses the same orders and stores each by one HSET, without key, log, index and message. It uses the same server.
"""

import argparse

from fastapi import FastAPI
from redis import Redis
from starlette.responses import JSONResponse

from willcall.api.server import listen, serve
from willcall.orders.submission import SubmitOrder


def create(redis: Redis) -> FastAPI:
    app = FastAPI()

    @app.post("/v1/orders", status_code=201)
    def submit(order: SubmitOrder) -> JSONResponse:
        redis.hset(f"minimal:{order.id}", "order", order.model_dump_json())
        return JSONResponse({"id": order.id}, 201)

    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.performance.minimal_api")
    parser.add_argument("--redis", required=True, help="its URL")
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    with listen("127.0.0.1", given.port) as listener:
        serve(create(Redis.from_url(given.redis)), listener)


if __name__ == "__main__":
    main()

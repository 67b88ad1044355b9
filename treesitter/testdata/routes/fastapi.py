from fastapi import APIRouter, FastAPI

BASE = "/v2"
app = FastAPI()
items = APIRouter(prefix="/items", tags=["items"])
nested = APIRouter(prefix="/parts")


@app.get("/")
async def root():
    return {}


@items.get("/{item_id}")
@cached(ttl=1)
async def read_item(item_id: int):
    return {}


@items.post("", status_code=201)
def create_item(item: Item):
    return item


@items.api_route(f"{BASE}/both", methods=["GET", "put"])
def both():
    pass


@nested.delete("/{part:path}")
def delete_part(part: str):
    pass


@app.head(path="/ping")
def ping():
    cache.get("/not/a/route")
    return requests.get("/neither")


class Service:
    def __init__(self):
        self.router = APIRouter(prefix="/service")
        self.router.add_api_route("/status", self.status, methods=["GET"])
        self.router.add_api_route("/other", other.handler)

    def status(self):
        pass


def make():
    local = APIRouter(prefix="/local")

    @local.patch("/x")
    def inner():
        pass

    return local


@app.middleware("http")
async def middleware(request, call_next):
    pass


@app.websocket("/ws")
async def ws():
    pass


items.include_router(nested)
app.include_router(items, prefix="/api")


@app.get("/keys/{key:uuid}/files/{name:path}")
async def file(key, name): ...

from fastapi import FastAPI

from .routers import orders
from app.routers.users import router as users_router
from app.routers.admin import api

app = FastAPI()
app.include_router(orders.router, prefix="/api/v1")
app.include_router(users_router, prefix="/api/v1/users")
app.include_router(api)


def get_orders_id():
    """Not a handler, for all that it is called like GET /api/v1/orders/{id}."""
    return "orders"

from fastapi import APIRouter

router = APIRouter(prefix="/orders")


@router.get("/{order_id}")
async def read_one(order_id: int):
    return {"id": order_id}


@router.post("")
async def place(body: dict):
    return body

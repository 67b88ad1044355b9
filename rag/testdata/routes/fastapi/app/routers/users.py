from fastapi import APIRouter

router = APIRouter()


@router.get("/{user_id}")
async def profile(user_id: int):
    return {"id": user_id}

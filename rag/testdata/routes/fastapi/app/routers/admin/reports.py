from fastapi import APIRouter

router = APIRouter()


@router.get("/{name}")
def render(name: str):
    return name

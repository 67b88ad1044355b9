from fastapi import APIRouter

from . import reports

api = APIRouter(prefix="/admin")
api.include_router(reports.router, prefix="/reports")

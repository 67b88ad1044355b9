from flask import Blueprint

bp = Blueprint("health", __name__, url_prefix="/health")


@bp.get("/ready")
def probe():
    return "ok"

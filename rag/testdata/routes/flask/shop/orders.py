from flask import Blueprint

bp = Blueprint("orders", __name__, url_prefix="/replaced")


@bp.route("/<int:id>")
def show(id):
    return str(id)


@bp.route("/", methods=["POST"])
def place():
    return "placed"


def post_orders(client):
    """Sends POST /api/orders to another service."""
    return client.send("orders")

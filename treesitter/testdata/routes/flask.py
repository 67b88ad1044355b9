from flask import Blueprint, Flask
from . import handlers

app = Flask(__name__)
shop = Blueprint("shop", __name__, url_prefix="/shop")
admin = Blueprint("admin", __name__, url_prefix="/old")


@app.route("/")
def index():
    return ""


@app.route("/users/<int:user_id>", methods=["GET", "POST"])
@login_required
def user(user_id):
    return ""


@shop.get("/orders/<order_id>/files/<path:name>")
def order_file(order_id, name):
    return ""


@admin.route("/panel")
def panel():
    return ""


@app.route("/dynamic", methods=METHODS)
def dynamic():
    return ""


class ItemAPI(MethodView):
    def get(self, id):
        return ""

    def delete(self, id):
        return ""

    def load(self):
        return ""


app.add_url_rule("/items/<int:id>", view_func=ItemAPI.as_view("item"))
app.add_url_rule("/ping", "ping", handlers.ping)
app.register_blueprint(shop)
app.register_blueprint(admin, url_prefix="/admin")

from django.urls import include, path

urlpatterns = [
    path("api/orders/", include("orders.urls")),
    path("api/users/", include(("users.urls", "users"))),
]

from django.urls import include, path, re_path
from . import views


class Detail(View):
    def get(self, request, pk):
        pass

    def post(self, request, pk):
        pass


def local_view(request):
    pass


urlpatterns = [
    path("", views.index, name="index"),
    path("items/<int:pk>/", views.item_detail, name="item"),
    path("local/", local_view),
    path("detail/<int:pk>/", Detail.as_view()),
    path("remote/", views.Remote.as_view(), name="remote"),
    re_path(r"^archive/(?P<year>[0-9]{4})/(?P<slug>[\w-]+)/$", views.archive),
    re_path(r"^assets/(.+)$", views.asset),
    re_path(r"(?P<url>.*)$", views.rest),
    path("shop/", include("shop.urls")),
    path(
        "api/",
        include(
            [
                path("v1/orders/<uuid:order>/", login_required(views.order)),
            ]
        ),
    ),
]

from django.views import View


def detail(request, pk):
    return pk


class Collection(View):
    def get(self, request):
        return []

    def post(self, request):
        return {}

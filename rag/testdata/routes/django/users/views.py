def detail(request, pk):
    return pk

from django.urls import path
from users.views import detail

urlpatterns = [path("<int:pk>/", detail)]

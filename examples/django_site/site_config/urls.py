"""Where the paths lead."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from guestbook import views

urlpatterns = [
    path("", views.index, name="index"),
    path("export.csv", views.export, name="export"),
    path("uploads/<path:name>", views.attachment, name="attachment"),
    path("count", views.count, name="count"),
    path("admin/", admin.site.urls),
]

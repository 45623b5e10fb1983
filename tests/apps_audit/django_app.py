"""Django in one file: a view with a statement for each row (N+1), and one without."""

from __future__ import annotations

import os
import tempfile

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

folder = tempfile.TemporaryDirectory(prefix="keelback-django-")
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.path.join(folder.name, "db.sqlite3"),
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    ROOT_URLCONF=__name__,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

ROWS = 12


def each(_: HttpRequest, page: int) -> JsonResponse:
    """One statement for each group."""
    counts = [group.permissions.count() for group in Group.objects.all()]
    return JsonResponse({"page": page, "counts": counts})


def one(_: HttpRequest) -> JsonResponse:
    return JsonResponse({"permissions": Permission.objects.count()})


urlpatterns = [path("groups/<int:page>/", each), path("one", one)]

call_command("migrate", verbosity=0)
Group.objects.bulk_create(Group(name=f"group {number}") for number in range(ROWS))

wsgi = get_wsgi_application()
asgi = get_asgi_application()

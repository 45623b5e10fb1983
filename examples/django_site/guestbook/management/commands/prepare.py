"""`manage.py prepare`: what the site needs before it is served; safe to run again."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Migrate, collect the static files, and make the superuser when a password is given."""

    help = "Migrate, collect static files; DJANGO_ADMIN_PASSWORD makes the superuser admin."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the three steps."""
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        password = os.environ.get("DJANGO_ADMIN_PASSWORD")
        if password:
            users = get_user_model().objects
            user, _ = users.get_or_create(
                username="admin", defaults={"is_staff": True, "is_superuser": True}
            )
            user.set_password(password)
            user.save()
        self.stdout.write("ready")

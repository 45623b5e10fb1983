"""The app's registration."""

from __future__ import annotations

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    """Nothing but names."""

    name = "guestbook"

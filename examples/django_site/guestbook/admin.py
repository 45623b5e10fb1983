"""The guestbook in the admin."""

from __future__ import annotations

from django.contrib import admin

from .models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    """List, search and filter."""

    list_display = ["name", "message", "created"]
    search_fields = ["name", "message"]
    list_filter = ["created"]

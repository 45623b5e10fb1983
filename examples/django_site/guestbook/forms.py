"""The form on the front page."""

from __future__ import annotations

from django import forms

from .models import Entry


class EntryForm(forms.ModelForm):
    """A new entry."""

    class Meta:
        """From the model."""

        model = Entry
        fields = ["name", "message"]
        widgets = {"message": forms.Textarea(attrs={"rows": 3})}

"""The front page with its form, a streamed export, and a count."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from .forms import EntryForm
from .models import Entry

SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Shows the newest entries; a valid POST adds one and redirects."""
    form = EntryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect("index")
    status = 422 if form.is_bound else 200
    page = {"form": form, "entries": Entry.objects.all()[:SHOWN]}
    return render(request, "guestbook/index.html", page, status=status)


@require_GET
def export(request: HttpRequest) -> StreamingHttpResponse:
    """All entries as CSV, sent while they are read."""

    def rows() -> Iterator[str]:
        yield "id,name\n"
        for number, name in Entry.objects.values_list("id", "name").iterator(chunk_size=200):
            quoted = name.replace('"', '""')
            yield f'{number},"{quoted}"\n'

    return StreamingHttpResponse(rows(), content_type="text/csv")


@require_GET
def attachment(request: HttpRequest, name: str) -> FileResponse:
    """What was uploaded in the admin; as WSGI the server sends the file, not this process."""
    entry = get_object_or_404(Entry, attachment=name)
    return FileResponse(entry.attachment.open("rb"), as_attachment=True)


@require_GET
def count(request: HttpRequest) -> JsonResponse:
    """How many entries there are."""
    return JsonResponse({"entries": Entry.objects.count()})

"""Who changed what, and when."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from backoffice import rights
from backoffice.history import KINDS, history
from backoffice.pages import desk_page, may, show


@desk_page(rights.SEE_CATALOGUE)
def page(request: HttpRequest) -> HttpResponse:
    """`?kind=` of what, `?before=` an entry: the older ones."""
    allowed = {name: title for name, (title, _model, right) in KINDS.items() if may(request, right)}
    kind, before = request.GET.get("kind", next(iter(allowed))), request.GET.get("before", "")
    if kind not in allowed or (before and not (before.isascii() and before.isdigit() and len(before) < 19)):
        raise Http404
    entries, following = history(kind, int(before) if before else None)
    return show(
        request,
        "backoffice/history.html",
        _("Changes"),
        kinds=allowed.items(),
        kind=kind,
        entries=entries,
        following=following,
    )

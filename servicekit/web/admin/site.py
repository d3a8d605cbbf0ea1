"""Django's admin, where it is wanted."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.generic import RedirectView


def routes() -> list[URLPattern | URLResolver]:
    """`/admin/`; nothing with `ADMIN=off`, and then it is as unknown as any other path."""
    if not settings.ADMIN:
        return []
    name = settings.SERVICE_NAME.replace("_", " ").capitalize()
    admin.site.site_title = admin.site.site_header = name
    admin.site.index_title = "What it keeps"
    admin.site.empty_value_display = "-"
    # The index has every table; beside a list it would cut off columns at 1280 pixels.
    admin.site.enable_nav_sidebar = False
    admin.site.site_url = getattr(settings, "CONSOLE_URL", None)  # None: no link
    return [
        re_path(r"^admin$", RedirectView.as_view(pattern_name="admin:index")),
        path("admin/", admin.site.urls),
    ]

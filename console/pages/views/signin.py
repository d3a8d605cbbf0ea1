"""Signing in, where the console is not open."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from console.pages import users

_keeper = users.Doorkeeper(settings.CONSOLE_USERS)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for name and password, and go on to where one wanted to go."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
        wanted = reverse("shop")
    problem = name = ""
    if request.method == "POST":
        name = request.POST.get("name", "")[:64]
        if _keeper.admits(name, request.POST.get("password", "")[:1000]):
            request.session.cycle_key()
            request.session["user"] = name
            return HttpResponseRedirect(wanted)
        problem = "Name or password is wrong, or there were too many wrong ones: then wait a minute."
    context = {"next": wanted, "problem": problem, "name": name, "is_login": True}
    return render(request, "console/login.html", context, status=401 if problem else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """By its button alone: a link to here changes nothing."""
    if request.method != "POST":
        return HttpResponseRedirect(reverse("shop"))
    request.session.flush()
    return HttpResponseRedirect(reverse("login"))

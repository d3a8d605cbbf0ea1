"""The webhooks in Django's admin: to make one, to see what was delivered, to send it again."""

import uuid
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from servicekit import cards, errors
from servicekit.web.admin.readonly import OnlyItsFilters, ReadOnly
from servicekit.webhooks import addresses, deliveries, endpoints, patterns
from servicekit.webhooks.models import Attempt, Delivery, Endpoint

# What a webhook that was just made has its secret under, until that is shown.
_SHOWN_ONCE: Final = "shown_once"


class EndpointForm(forms.ModelForm[Endpoint]):
    class Meta:
        model = Endpoint
        fields = ("url", "events", "description", "contact", "is_ordered", "is_enabled")

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            addresses.parse(url, allowed=settings.WEBHOOKS.allowed)
        except errors.Invalid as problem:
            raise forms.ValidationError(problem.message) from problem
        return url

    def clean_events(self) -> str:
        try:
            return patterns.checked(self.cleaned_data["events"].split())
        except errors.Invalid as problem:
            raise forms.ValidationError(problem.message) from problem

    def clean_description(self) -> str:
        description: str = self.cleaned_data["description"]
        if cards.looks_like_a_card_number(description):
            raise forms.ValidationError(cards.SENTENCE)
        return description

    def clean_contact(self) -> str:
        contact: str = self.cleaned_data["contact"]
        if contact:
            forms.EmailField().clean(contact)
        return contact


@admin.register(Endpoint)
class EndpointAdmin(OnlyItsFilters, admin.ModelAdmin[Endpoint]):
    form = EndpointForm
    list_display = ("url", "events", "description", "is_enabled", "disabled_reason", "failing_since", "created_by")
    list_filter = ("is_enabled", "created_at")
    search_fields = ("url", "description", "=uid")
    readonly_fields = (
        "uid",
        "failing_since",
        "disabled_at",
        "disabled_reason",
        "previous_secret_until",
        "created_at",
        "created_by",
    )
    actions = ("enable", "disable", "rotate", "recover_last_day", "send_example")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        return super().get_queryset(request).filter(deleted_at=None)

    def has_delete_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False  # what its events tell of stays; `manage.py webhooks delete` ends it for good

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        said = form.cleaned_data
        if change:
            changed = {name: said[name] for name in form.changed_data}
            if "events" in changed:
                changed["events"] = changed["events"].split()
            endpoints.change(Endpoint.objects.get(pk=obj.pk), changed)
            return
        made = endpoints.create(
            uuid.uuid4(),
            url=said["url"],
            asked=said["events"].split(),
            description=said["description"],
            contact=said["contact"],
            is_ordered=said["is_ordered"],
            is_enabled=said["is_enabled"],
        )
        obj.pk, obj.uid, vars(obj)[_SHOWN_ONCE] = made.pk, made.uid, made.secret

    def response_add(self, request: HttpRequest, obj: Endpoint, *_: Any) -> HttpResponse:
        """The secret is in this answer alone: a message would keep it in the session, or in a cookie."""
        return self._show(request, f"The secret of {obj.url}", vars(obj).pop(_SHOWN_ONCE))

    def _show(self, request: HttpRequest, title: str, secret: str) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "secret": secret}
        return TemplateResponse(request, "servicekit/new_secret.html", context)

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        for endpoint in chosen:
            if endpoints.enable(endpoint):
                self.log_change(request, endpoint, "enabled")

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        for endpoint in chosen:
            if endpoints.disable(endpoint.pk, endpoints.BY_HAND):
                self.log_change(request, endpoint, "disabled")

    @admin.action(description="Give a new secret; the old one stays good for a day", permissions=["change"])
    def rotate(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> HttpResponse | None:
        if chosen.count() != 1:
            self.message_user(request, "Choose one: its secret is shown once.")
            return None
        endpoint = chosen.get()
        secret = endpoints.rotate(endpoint).secret
        self.log_change(request, endpoint, "given a new secret")
        return self._show(request, f"The new secret of {endpoint.url}", secret)

    @admin.action(description="Send all again that failed in the last 24 hours", permissions=["change"])
    def recover_last_day(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        count = sum(
            deliveries.recover(each, timezone.now() - timedelta(days=1)) for each in chosen.filter(is_enabled=True)
        )
        self.message_user(request, f"{count} are sent again.")

    @admin.action(description="Send an example", permissions=["change"])
    def send_example(self, request: HttpRequest, chosen: QuerySet[Endpoint]) -> None:
        for endpoint in chosen.filter(is_enabled=True):
            deliveries.send_example(endpoint)
        self.message_user(request, "Examples are on their way, to those that are enabled.")


class AttemptInline(ReadOnly, admin.TabularInline[Attempt, Delivery]):
    model = Attempt
    extra = 0
    fields = ("at", "status", "duration_ms", "problem", "answer")
    readonly_fields = fields


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin[Delivery]):
    list_display = ("number", "type", "subject", "endpoint", "state", "reason", "tries", "due_at", "created_at")
    list_filter = ("state", "type", "created_at")
    list_select_related = ("endpoint",)
    search_fields = ("subject", "=uid", "endpoint__url")
    show_full_result_count = False
    inlines = (AttemptInline,)
    actions = ("resend",)

    @admin.action(description="Send again", permissions=["view"])
    def resend(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        if not request.user.has_perm("webhooks.change_endpoint"):
            self.message_user(request, "That takes the permission to change webhooks.")
            return
        count = 0
        for delivery in chosen.filter(endpoint__is_enabled=True).select_related("endpoint"):
            deliveries.resend(delivery.endpoint, delivery)
            count += 1
        self.message_user(request, f"{count} are sent again.")

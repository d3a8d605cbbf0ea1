"""The keys in Django's admin: to make one, to see who uses which, and to revoke."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from servicekit.apikeys import issuing
from servicekit.apikeys.models import ApiKey
from servicekit.web import routes
from servicekit.web.admin.readonly import OnlyItsFilters

# As `manage.py keys` has it.
_MAX_LIMIT_PER_S: Final = 999_999
# What a key that was just made has its secret under, until that is shown.
_SHOWN_ONCE: Final = "secret"


class KeyForm(forms.ModelForm[ApiKey]):
    """What a new key may do is chosen from the scopes that there are."""

    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at", "limit_per_s")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["scopes"]
        field.choices = [(scope, scope) for scope in sorted(routes.scopes())]

    def clean_name(self) -> str:
        try:
            name = issuing.checked_name(self.cleaned_data["name"])
        except issuing.Problem as problem:
            raise forms.ValidationError(problem.message) from problem
        if issuing.usable(name):
            raise forms.ValidationError("There is a key of this name. Revoke it first, or use `manage.py keys rotate`.")
        return name

    def clean_limit_per_s(self) -> float | None:
        limit: float | None = self.cleaned_data["limit_per_s"]
        if limit is not None and not 0 < limit <= _MAX_LIMIT_PER_S:
            raise forms.ValidationError(f"A limit is above 0, and at most {_MAX_LIMIT_PER_S:,}.")
        return limit

    def clean_expires_at(self) -> datetime | None:
        expires: datetime | None = self.cleaned_data["expires_at"]
        if expires is not None and expires <= timezone.now():
            raise forms.ValidationError("That is over already.")
        return expires


@admin.register(ApiKey)
class ApiKeyAdmin(OnlyItsFilters, admin.ModelAdmin[ApiKey]):
    form = KeyForm
    list_display = ("name", "prefix", "scopes", "limit_per_s", "expires_at", "revoked_at", "last_used_at", "created_by")
    list_filter = ("created_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    def has_change_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False  # what a key may do is never changed under its user

    def has_delete_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        assert not change  # noqa: S101 - nobody may
        secret = issuing.create(
            obj.name, form.cleaned_data["scopes"], expires=obj.expires_at, limit_per_s=obj.limit_per_s
        )
        key = issuing.usable(obj.name).get()
        obj.pk, obj.prefix, obj.hashed_key = key.pk, key.prefix, key.hashed_key
        vars(obj)[_SHOWN_ONCE] = secret

    def response_add(self, request: HttpRequest, obj: ApiKey, *_: Any) -> HttpResponse:
        """The secret is in this answer alone: a message would keep it in the session, or in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The key of {obj.name}",
            "opts": self.opts,
            "secret": vars(obj).pop(_SHOWN_ONCE),
        }
        return TemplateResponse(request, "servicekit/new_key.html", context)

    @admin.action(description="Revoke the chosen keys", permissions=["add"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen.filter(revoked_at=None):
            issuing.revoke(key.prefix)
            self.log_change(request, key, "revoked")

"""The keys in Django's admin: to make one, to see who uses which, and to revoke."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from servicekit.apikeys import issuing
from servicekit.apikeys.models import ApiKey
from servicekit.web import routes
from servicekit.web.admin.readonly import OnlyItsFilters


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
        if limit is not None and limit <= 0:
            raise forms.ValidationError("A limit is above 0.")
        return limit


@admin.register(ApiKey)
class ApiKeyAdmin(OnlyItsFilters, admin.ModelAdmin[ApiKey]):
    form = KeyForm
    list_display = ("name", "prefix", "scopes", "limit_per_s", "expires_at", "revoked_at", "last_used_at", "created_by")
    list_filter = ("created_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix")
    actions = ("revoke",)

    def has_change_permission(self, _request: HttpRequest, obj: ApiKey | None = None) -> bool:
        return obj is None  # the list has the action; what a key may do is never changed under its user

    def has_delete_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        assert not change  # noqa: S101 - nobody may
        secret = issuing.create(
            obj.name, form.cleaned_data["scopes"], expires=obj.expires_at, limit_per_s=obj.limit_per_s
        )
        key = issuing.usable(obj.name).get()
        obj.pk, obj.prefix, obj.hashed_key = key.pk, key.prefix, key.hashed_key
        self.message_user(request, f"Its secret, which nobody can show again: {secret}", messages.WARNING)

    @admin.action(description="Revoke the chosen keys", permissions=["add"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen.filter(revoked_at=None):
            issuing.revoke(key.prefix)
            self.log_change(request, key, "revoked")

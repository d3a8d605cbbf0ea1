from django.apps import AppConfig


class InvariantsConfig(AppConfig):
    name = "servicekit.invariants"
    label = "invariants"
    default_auto_field = "django.db.models.BigAutoField"

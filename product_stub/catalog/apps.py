from importlib import import_module

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "product_stub.catalog"
    label = "catalog"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("product_stub.catalog.ops.admin")  # registers its pages

from django.apps import AppConfig


class BankConfig(AppConfig):
    name = "payment_service.bank"
    label = "bank"

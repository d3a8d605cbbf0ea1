"""Puts the gateway's one line in the registry, before anything is checked or asked."""

from django.apps import AppConfig


class OneMoreGateway(AppConfig):
    name = "payment_service.tests.one_more_gateway"

    def ready(self) -> None:
        from payment_service.payments.gateways import registry  # noqa: PLC0415
        from payment_service.tests.one_more_gateway.meeting import MeetingGateway  # noqa: PLC0415

        registry._MAKERS["meeting"] = MeetingGateway  # type: ignore[index]

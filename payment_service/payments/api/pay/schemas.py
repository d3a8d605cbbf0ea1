"""What `/pay` takes and shows."""

from typing import Any, Final

from payment_service.payments.api.fields import (
    SAME_AS_METHOD,
    ChargeAtOnceIn,
    MethodDetailsIn,
    MethodField,
    OrderIdField,
    next_action,
)
from payment_service.payments.models import Payment
from servicekit.web.fields import CurrencyField, MoneyInField

_STATUSES: Final = {True: 200, False: 402, None: 202}
_MESSAGES: Final = {True: "Payment successful", None: "Payment pending"}


class PayIn(ChargeAtOnceIn):
    """A payment as this door takes it; the order says in which currency, and another one is refused."""

    order_id = OrderIdField()
    amount = MoneyInField()
    method = MethodField(required=False, max_length=16)
    payment_method = MethodField(required=False, max_length=16, help_text=SAME_AS_METHOD)
    payment_method_details = MethodDetailsIn(required=False, allow_null=True)
    currency = CurrencyField(required=False)


def pay_answer(payment: Payment, order_id: int | str) -> tuple[dict[str, Any], int]:
    """The body and status of what became of a payment: taken 200, declined 402, not known yet 202.

    Unlike a refusal a decline is no exception: a repeat under the same key is to be told the same again.
    """
    ids = {"order_id": order_id, "payment_id": payment.number}
    if payment.taken is False:
        problem = {"error": payment.error_message, "code": payment.failure_code, "retryable": bool(payment.retryable)}
        return {**problem, **ids}, _STATUSES[False]
    return {"message": _MESSAGES[payment.taken], **ids, **next_action(payment)}, _STATUSES[payment.taken]

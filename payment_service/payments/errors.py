"""Every refusal of the payment service, with its stable code. The families decide the HTTP status."""

from decimal import Decimal

from servicekit import errors, money


class PaymentNotFound(errors.NotFound):
    code = "payment_not_found"

    def __init__(self) -> None:
        super().__init__("Payment not found")


class OrderNotFound(errors.NotFound):
    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("Order not found")


class OrderNotPayable(errors.Invalid):
    """Only an order that waits for its payment can be paid."""

    code = "order_not_payable"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"Order status is '{status}', cannot pay", status=status)


class IncorrectAmount(errors.Invalid):
    code = "incorrect_payment_amount"

    def __init__(self, *, expected: Decimal) -> None:
        expected = money.two_decimals(expected)
        super().__init__(f"Incorrect payment amount (expected {expected})", expected=expected)


class IncorrectCurrency(errors.Invalid):
    code = "incorrect_payment_currency"

    def __init__(self, *, expected: str) -> None:
        super().__init__(f"Incorrect payment currency (expected {expected})", expected=expected)


class OrderServiceUnavailable(errors.Unavailable):
    """Nothing was charged."""

    code = "order_service_unavailable"

    def __init__(self) -> None:
        super().__init__("Order service unavailable")


class AmountNotPositive(errors.Invalid):
    code = "amount_not_positive"

    def __init__(self, *, is_stored: bool = False) -> None:
        super().__init__("Amount must be positive.")
        self.is_outcome = is_stored


class AmountMismatch(errors.Conflict):
    """The order has a payment already, of another amount or in another currency."""

    code = "payment_amount_mismatch"

    def __init__(self, *, amount: Decimal, currency: str) -> None:
        super().__init__(
            f"The payment of this order is over {money.two_decimals(amount)} {currency}",
            amount=money.two_decimals(amount),
            currency=currency,
        )


class TestPaymentsOff(errors.Invalid):
    """The method goes to a gateway that takes no real money, where another one is configured that does."""

    code = "test_payments_off"

    def __init__(self, *, method: str) -> None:
        super().__init__(f"Payment method {method} takes no real money, and test payments are off", method=method)


class PaymentVoided(errors.Conflict):
    """No money may be taken or held for this order any more."""

    code = "payment_voided"

    def __init__(self) -> None:
        super().__init__("The payment of this order was voided")


class PaymentNotCaptured(errors.Conflict):
    """The order's money is only set aside: somebody else is to capture or release it."""

    code = "payment_not_captured"

    def __init__(self) -> None:
        super().__init__("The payment of this order is set aside and not captured")


class PaymentRefunded(errors.Conflict):
    """What was paid for the order went back, or a part of it, or is on its way back."""

    code = "payment_refunded"

    def __init__(self, *, refunded: Decimal, captured: Decimal) -> None:
        refunded, captured = money.two_decimals(refunded), money.two_decimals(captured)
        super().__init__(
            f"Of the payment of this order, {refunded} of {captured} was refunded", refunded=refunded, captured=captured
        )


class PaymentBusy(errors.Conflict):
    """Another operation on the payment has not got its answer yet."""

    code = "payment_in_progress"

    def __init__(self) -> None:
        super().__init__("Another operation on this payment is still running")


class NotCapturable(errors.Conflict):
    code = "payment_not_capturable"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"Payment is {status}, only an authorized one can be captured", status=status)


class CaptureExceedsAuthorized(errors.Invalid):
    code = "capture_exceeds_authorized"

    def __init__(self, *, requested: Decimal, authorized: Decimal) -> None:
        super().__init__(
            f"Capture of {money.two_decimals(requested)} exceeds the authorized {money.two_decimals(authorized)}",
            requested=money.two_decimals(requested),
            authorized=money.two_decimals(authorized),
        )


class NotVoidable(errors.Conflict):
    code = "payment_not_voidable"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"Payment is {status}, only an authorized one can be voided", status=status)


class VoidInPart(errors.Invalid):
    """A void is of all that is held: what is wanted of it has to be captured, or the rest refunded."""

    code = "void_in_part"

    def __init__(self, *, held: Decimal) -> None:
        held = money.two_decimals(held)
        super().__init__(f"Only all of the {held} that is held can be voided", held=held)


class NotRefundable(errors.Conflict):
    code = "payment_not_refundable"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"Payment is {status}, only a captured one can be refunded", status=status)


class PaymentHadFailed(errors.Invalid):
    code = "payment_had_failed"

    def __init__(self) -> None:
        super().__init__("Payment had failed; cannot issue refund")


class RefundExceedsCaptured(errors.Invalid):
    code = "refund_exceeds_captured"

    def __init__(self, *, requested: Decimal, refundable: Decimal) -> None:
        super().__init__(
            f"Refund of {money.two_decimals(requested)} exceeds the {money.two_decimals(refundable)} that is left",
            requested=money.two_decimals(requested),
            refundable=money.two_decimals(refundable),
        )


class BadSignature(errors.Invalid):
    code = "bad_signature"

    def __init__(self) -> None:
        super().__init__("Not signed with the secret that is expected, too old, or not to be read")


class StripeNotExpected(errors.Unavailable):
    code = "stripe_not_expected"

    def __init__(self) -> None:
        super().__init__("STRIPE_WEBHOOK_SECRET is not set", retry_after_s=3600)


class PaymentDisputed(errors.Conflict):
    """The payer's bank wants the money back, or has it: it must not go back a second time."""

    code = "payment_disputed"

    def __init__(self, *, disputed: Decimal, refundable: Decimal) -> None:
        super().__init__(
            f"{money.two_decimals(disputed)} of this payment is disputed; {money.two_decimals(refundable)} is left",
            disputed=money.two_decimals(disputed),
            refundable=money.two_decimals(refundable),
        )


class RefundPending(errors.Conflict):
    """The very refund that is asked for is on its way, or all that is left is."""

    code = "refund_pending"

    def __init__(self, *, refund_id: str, amount: Decimal) -> None:
        super().__init__(
            f"A refund of {money.two_decimals(amount)} is on its way already",
            refund_id=refund_id,
            amount=money.two_decimals(amount),
        )


class NotBlocked(errors.Conflict):
    """Nothing waits for a person here."""

    code = "payment_not_blocked"

    def __init__(self) -> None:
        super().__init__("The gateway refuses nothing that is wanted of this payment")


class CaptureBlocked(errors.Conflict):
    """How much to capture says whoever asks for it; nobody else can."""

    code = "capture_blocked"

    def __init__(self) -> None:
        super().__init__("A capture is taken up by asking for it again; or void the payment")


class ReasonRequired(errors.Invalid):
    code = "reason_required"

    def __init__(self) -> None:
        super().__init__("Say why: the reason is kept", fields={"reason": ["This field is required."]})

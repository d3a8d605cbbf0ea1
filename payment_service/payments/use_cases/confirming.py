"""What comes of a payer's answer: the gateway has it, and the payment and its order are to follow at once."""

from payment_service.payments import reads
from payment_service.payments.use_cases import notices, repair
from payment_service.payments.writes import moves


def hear_of_payer(order_id: str) -> None:
    """The payer of an order has answered, its gateway says: ask it what, and tell the order service.

    Safe to repeat. What cannot be done now the worker does, which looks by itself as well.
    """
    moves.make_due(order_id)
    payment = reads.find_payment_of_order(order_id)
    if payment is None:
        return
    # Twice: what is found out about a charge first may then have to be given back.
    payment = repair.advance(repair.advance(payment))
    if payment.notice_due_at is not None:
        notices.send_now(payment)

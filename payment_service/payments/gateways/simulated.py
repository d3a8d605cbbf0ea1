"""The gateway in front of the simulated bank: the same port as a real one, with the faults of a real network.

The bank (`payment_service.bank`) keeps books of its own. This adapter decides how a request ends (a magic token's
script, or chance), waits as long as a network would, and loses what is to be lost.
"""

import hashlib
import secrets
import time
from collections.abc import Callable

from payment_service.bank import books, tokens
from payment_service.bank.models import Confirmation, Entry
from payment_service.bank.tokens import Script
from payment_service.payments.gateways.base import (
    ActionRequired,
    Approved,
    CaptureRequest,
    ChargeOutcome,
    ChargeRequest,
    Declined,
    GatewayUnavailable,
    Outcome,
    OutcomeUnknown,
    RefundRequest,
    Request,
    VoidRequest,
)


class SimulatedGateway:
    """Answers like a bank, after a delay.

    Args:
        success_rate: Between 0 and 1, for charges without a magic token.
        delay_s: The shortest and the longest time that an answer takes.
        timeout_s: How long a slow answer is waited for; `slow_s`, how much later than asked for it is known.
        seed: The same seed and key always draw the same outcome. None: another one in each process.
        page_url: Where payers find the bank's page, in front of a confirmation's secret.
    """

    has_outside_effect = True
    takes_real_money = False

    def __init__(
        self,
        *,
        success_rate: float,
        delay_s: tuple[float, float],
        timeout_s: float,
        slow_s: float,
        seed: str | None,
        page_url: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._success_rate = success_rate
        self._delay_s = delay_s
        self._timeout_s = timeout_s
        self._slow_s = slow_s
        self._seed = secrets.token_hex() if seed is None else seed
        self._page_url = page_url
        self._sleep = sleep

    def charge(self, request: ChargeRequest) -> ChargeOutcome:
        if books.knows(request.key):
            return self._answer_to_charge(request.key)
        script = tokens.script_of(request.token)
        use = books.count_use(request.order_id, request.token) if request.token in tokens.SCRIPTS else 1
        if script.unavailable < 0 or use <= script.unavailable:
            raise GatewayUnavailable
        if script.loses_request and use == 1:
            raise OutcomeUnknown
        if script.asks_payer:
            return self._ask_payer(request, script)
        books.charge(
            request.key,
            amount=request.amount,
            currency=request.currency,
            capture=request.capture,
            token=request.token if request.token in tokens.SCRIPTS else "",
            decline_code=self._decline_code(request, script, use),
            late_s=self._slow_s if script.is_slow else 0.0,
        )
        if script.is_slow:
            self._sleep(self._timeout_s)
            raise OutcomeUnknown
        return self._answer_to_charge(request.key, is_lost=script.loses_reply)

    def capture(self, request: CaptureRequest) -> Outcome:
        script = _script_of(request.transaction_id)
        books.capture(
            request.key,
            transaction_id=request.transaction_id,
            amount=request.amount,
            decline_code=script.capture_declined,
        )
        return self._answer(request.key)

    def void(self, request: VoidRequest) -> Outcome:
        if not request.transaction_id:
            return self._call_off(request)
        script = _script_of(request.transaction_id)
        books.release(request.key, transaction_id=request.transaction_id, decline_code=script.void_declined)
        return self._answer(request.key)

    def refund(self, request: RefundRequest) -> Outcome:
        script = _script_of(request.transaction_id)
        is_first = not books.has_declined_refund(request.transaction_id)
        books.refund(
            request.key,
            transaction_id=request.transaction_id,
            amount=request.amount,
            decline_code=script.refund_declined or (script.refund_declined_once if is_first else ""),
        )
        return self._answer(request.key, is_lost=script.loses_refund_reply)

    def find(self, request: Request) -> ChargeOutcome | None:
        entry = books.find(request.key)
        if entry is not None:
            return _outcome(entry)
        asked = books.confirmation(key=request.key) if isinstance(request, ChargeRequest) else None
        return None if asked is None else self._action(asked)

    def _ask_payer(self, request: ChargeRequest, script: Script) -> ChargeOutcome:
        books.ask_payer(
            request.key,
            order_id=request.order_id,
            amount=request.amount,
            currency=request.currency,
            capture=request.capture,
            token=request.token,
        )
        return self._answer_to_charge(request.key, is_lost=script.loses_reply)

    def _call_off(self, request: VoidRequest) -> Outcome:
        asked = books.confirmation(payment_intent_id=request.payment_intent_id or "")
        self._wait(request.key)
        if asked is None or not books.call_off(asked):
            return _declined("nothing_set_aside")
        response = {"gateway": "simulated", "result": "called off"}
        return Approved(asked.payment_intent_id, asked.payment_intent_id, response)

    def _action(self, asked: Confirmation) -> ActionRequired:
        response = {"gateway": "simulated", "result": "the payer has to confirm it"}
        return ActionRequired(f"{self._page_url}{asked.secret}/", asked.payment_intent_id, response)

    def _wait(self, key: str) -> None:
        """As long as an answer takes."""
        shortest_s, longest_s = self._delay_s
        self._sleep(shortest_s + (longest_s - shortest_s) * self._draw("delay", key))

    def _answer_to_charge(self, key: str, *, is_lost: bool = False) -> ChargeOutcome:
        """Like `_answer`; or that its payer has to confirm it."""
        self._wait(key)
        entry = None if is_lost else books.find(key)
        if entry is not None:
            return _outcome(entry)
        asked = None if is_lost else books.confirmation(key=key)
        if asked is None:
            raise OutcomeUnknown
        return self._action(asked)

    def _answer(self, key: str, *, is_lost: bool = False) -> Outcome:
        """What the books say, after as long as an answer takes."""
        self._wait(key)
        entry = None if is_lost else books.find(key)
        if entry is None:
            raise OutcomeUnknown
        return _outcome(entry)

    def _decline_code(self, request: ChargeRequest, script: Script, use: int) -> str:
        """Why a charge is refused; empty when it is not."""
        if use <= len(script.declines):
            return script.declines[use - 1]
        if script.forever:
            return script.declines[-1]
        if script is not tokens.ORDINARY:
            return ""
        if self._draw("outcome", request.key) < self._success_rate:
            return ""
        return tokens.USUAL_DECLINES[int(self._draw("decline", request.key) * len(tokens.USUAL_DECLINES))]

    def _draw(self, what: str, key: str) -> float:
        """A number from 0 up to 1, the same for the same seed, key and purpose."""
        digest = hashlib.sha256(f"{self._seed}:{what}:{key}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48


def _script_of(transaction_id: str) -> Script:
    return tokens.script_of(books.token_of(transaction_id))


def _outcome(entry: Entry) -> Outcome:
    is_approved = entry.decline_code in ("", tokens.ALREADY_REFUNDED)
    if entry.hold is None or not is_approved:
        return _declined(entry.decline_code)
    ids = {"transaction_id": entry.hold.transaction_id, "payment_intent_id": entry.hold.payment_intent_id}
    return Approved(**ids, response={"gateway": "simulated", "result": entry.decline_code or "approved", **ids})


def _declined(code: str) -> Declined:
    decline = tokens.DECLINES[code]
    response = {"gateway": "simulated", "result": "declined", "decline_code": code}
    return Declined(code, decline.message, decline.retryable, response)

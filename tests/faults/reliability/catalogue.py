"""The list of faults that the promise is held against, and which tests put each of them in.

A fault test names its numbers itself, by the fixture `result_log`. Here stand the tests of the services'
own suites that put the fault in as well, and what is deliberately not covered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Listed:
    """One fault of the list.

    Attributes:
        tests: Files, or single tests (`file::test`), that cover it too.
        elsewhere: The engine, or broker, that it needs, when an ordinary run does not have it.
        not_covered: What of it no test puts in, and why.
    """

    number: int
    fault: str
    tests: tuple[str, ...] = ()
    elsewhere: str = ""
    not_covered: str = ""


@dataclass(frozen=True)
class Attack:
    """What somebody who means harm could try, and what has to hold. `tests` are files, or single tests."""

    attack: str
    holds: str
    tests: tuple[str, ...]


_ORDERS: Final = "order_service/tests"
_PAYMENTS: Final = "payment_service/tests"

CATALOGUE: Final[Sequence[Listed]] = (
    Listed(
        1,
        "The order service is killed (SIGKILL) at every step",
        ("tests/test_recovery.py", f"{_ORDERS}/test_every_step_survives.py"),
    ),
    Listed(2, "The payment service is killed (SIGKILL) at every step", (f"{_PAYMENTS}/test_lost_answers.py",)),
    Listed(
        3,
        "The relay dies between the broker's acknowledgement and its mark",
        ("servicekit/tests/test_relay.py::test_a_relay_that_dies_before_marking_publishes_again",),
    ),
    Listed(
        4,
        "Workers are killed in the middle of a batch, and two of each run at once",
        (f"{_PAYMENTS}/test_lost_answers.py::test_one_of_two_workers_gets_a_payment",),
    ),
    Listed(5, "The database server is stopped the hard way under load", elsewhere="PostgreSQL, MariaDB"),
    Listed(
        6,
        "Many requests with one key at once",
        (
            "tests/test_concurrency.py::test_one_key_thirty_times_at_once_is_one_order",
            "servicekit/tests/test_idempotency_keys.py::test_of_many_at_once_exactly_one_runs",
        ),
    ),
    Listed(
        7,
        "The same key with another body",
        ("servicekit/tests/test_idempotency_keys.py::test_another_body_with_the_same_key_is_refused",),
    ),
    Listed(
        8,
        "Different keys for one order, at once",
        ("tests/test_concurrency.py::test_one_order_is_paid_once_by_thirty_at_once",),
    ),
    Listed(
        9,
        "The client goes away before the answer, and asks again",
        ("servicekit/tests/test_idempotency_keys.py::test_a_dead_requests_key_is_free_once_its_lock_ran_out",),
    ),
    Listed(
        10,
        "The gateway charges and its answer is lost, on any attempt",
        ("tests/test_gateway_faults.py", f"{_PAYMENTS}/test_lost_answers.py"),
    ),
    Listed(
        11,
        "The gateway charges after the order was given up",
        (
            f"{_ORDERS}/test_place_order.py::test_charge_whose_every_answer_was_lost_is_given_back",
            f"{_PAYMENTS}/test_void.py",
        ),
    ),
    Listed(
        12,
        "The gateway is slower than every time-out",
        (
            "tests/test_payment_outages.py::test_answers_that_come_too_late_cancel_the_order",
            "tests/test_gateway_faults.py",
            "tests/test_overload.py::test_a_slow_gateway_keeps_nobody_else_waiting",
        ),
    ),
    Listed(
        13,
        "The gateway, or a neighbour, fails every call for a while, and comes back",
        ("tests/test_breakers.py", "servicekit/tests/test_circuit_breaker.py"),
    ),
    Listed(
        14,
        "The gateway does not know a charge at first, and then it does",
        (
            f"{_PAYMENTS}/test_void.py::test_a_charge_that_never_arrived_is_not_sent_to_be_refunded",
            "tests/test_gateway_faults.py",
        ),
    ),
    Listed(
        15,
        "More is refunded at once than there is; parts, nothing, less than nothing",
        (f"{_PAYMENTS}/test_refunds.py",),
    ),
    Listed(
        16,
        "A refund has no answer, and is repeated",
        (f"{_PAYMENTS}/test_lost_answers.py::test_a_refund_without_an_answer_stays_booked_until_it_is_found",),
        not_covered="a gateway's own notice that comes first: none is taken in, the gateway is asked instead",
    ),
    Listed(
        17,
        "A refund is refused after it was booked",
        (f"{_PAYMENTS}/test_refunds.py::test_a_refused_refund_gives_its_amount_back",),
        not_covered="a refund that the gateway calls succeeded and takes back days later; reconciliation shows it",
    ),
    Listed(
        18,
        "Two operations at once on one order: capture and void, refund during capture, cancel during charge, ...",
        (f"{_PAYMENTS}/test_void.py", f"{_PAYMENTS}/test_capture.py"),
    ),
    Listed(
        19,
        "An event of a payment comes twice, shuffled, late, or not at all",
        (f"{_ORDERS}/test_payment_news.py", "servicekit/tests/test_inbox.py"),
    ),
    Listed(
        20,
        "A forged notice of a payment",
        (f"{_ORDERS}/test_payment_news.py::test_what_an_event_says_is_not_believed",),
        not_covered="signatures: no notice is believed, whoever it is from, so none is signed",
    ),
    Listed(
        21,
        "The product service is down, slow, loses its answer, or has only half of the items",
        (
            "tests/test_payment_outages.py::test_a_product_service_that_is_down_cancels_the_order",
            f"{_ORDERS}/test_place_order.py",
            "product_stub/tests/test_refused_lines.py",
        ),
    ),
    Listed(
        22,
        "Releasing the stock fails for a long time",
        (f"{_ORDERS}/test_place_order.py::test_unreachable_product_service_cancels_and_releases_when_it_is_back",),
    ),
    Listed(
        23,
        "A hundred buyers for the last items",
        (
            "tests/test_concurrency.py::test_a_hundred_buyers_for_the_last_ten",
            "product_stub/tests/test_concurrency.py::test_a_hundred_buyers_of_the_last_ten",
        ),
    ),
    Listed(
        24,
        "The reservation is gone when the money is there",
        (f"{_ORDERS}/test_place_order.py::test_reservation_that_is_gone_at_confirmation_refunds_the_order",),
    ),
    Listed(
        25,
        "The broker is away or slow, and one event can never be published",
        (
            "servicekit/tests/test_relay.py",
            "servicekit/tests/test_kafka_publisher.py",
            "servicekit/tests/test_consuming.py",
            "tests/test_consumers.py",
        ),
    ),
    Listed(26, "A lock is held, a deadlock is forced, connections run out"),
    Listed(27, "The disk is full, the database is read-only, gone or damaged"),
    Listed(
        28,
        "Clocks are wrong",
        elsewhere="PostgreSQL, MariaDB",
        not_covered="a step of the one clock that a SQLite database has: leases and expiry move with it",
    ),
    Listed(
        29,
        "SIGTERM under load",
        ("tests/test_recovery.py::test_a_service_that_is_asked_to_stop_answers_what_it_has_begun",),
        not_covered="two versions of the code at once, only the migrations of the later one",
    ),
    Listed(
        30,
        "A process is stopped past its lease and woken (a zombie)",
        (f"{_PAYMENTS}/test_lost_answers.py::test_who_slept_past_the_lease_writes_nothing",),
    ),
    Listed(31, "The services are cut off from each other, also in one direction only"),
    Listed(
        32,
        "An import is killed half way; rows twice, wrong cells, formulas",
        (
            f"{_PAYMENTS}/test_import_again.py::test_killed_half_way_and_run_again",
            f"{_PAYMENTS}/test_import_again.py::test_killed_at_any_moment",
            f"{_PAYMENTS}/test_import_again.py::test_two_at_once",
            f"{_PAYMENTS}/test_import_files.py",
            f"{_PAYMENTS}/test_import_rows.py::test_a_wrong_cell_is_reported_with_its_line_and_column",
            f"{_PAYMENTS}/test_import_command.py::test_formulas_are_harmless_in_the_report",
        ),
    ),
    Listed(
        33, "Many times more clients than can be served", ("tests/test_overload.py", "servicekit/tests/test_limiter.py")
    ),
    Listed(34, "Everything at random, for a while"),
    Listed(
        35,
        "A gateway's settlement file with planted differences",
        (f"{_PAYMENTS}/test_reconcile.py", "tests/test_audit.py"),
    ),
)

_KIT: Final = "servicekit/tests"
_ATTACKS: Final = "tests/attacks"

ATTACKS: Final[Sequence[Attack]] = (
    Attack(
        "HTTP/2 with prior knowledge: streams that announce a body and go away, header tables that unfold in memory",
        "HTTP/2 is not spoken; the service answers on",
        (f"{_ATTACKS}/test_connections.py::test_http_2_is_not_spoken",),
    ),
    Attack(
        "Thousands of connections that never send a byte",
        "orders and /health are answered meanwhile",
        (f"{_ATTACKS}/test_connections.py::test_connections_that_never_send_a_byte_stop_nothing",),
    ),
    Attack(
        "Bodies that do not come, come a byte at a time, or end too early; answers that nobody reads",
        "each is given up in bounded time and nothing of it is executed; other requests are answered",
        (
            f"{_ATTACKS}/test_connections.py::test_bodies_that_do_not_come_are_given_up",
            f"{_ATTACKS}/test_connections.py::test_a_body_that_drips_is_given_up_as_soon",
            f"{_ATTACKS}/test_connections.py::test_slow_bodies_are_in_each_others_way_only",
            f"{_ATTACKS}/test_connections.py::test_whoever_reads_nothing_holds_nothing",
            f"{_ATTACKS}/test_framing.py::test_a_body_that_is_not_whole_is_not_executed",
        ),
    ),
    Attack(
        "Requests whose framing is in doubt: two lengths, chunks or heads without end, odd methods and headers",
        "one meaning or a refusal; what follows on the connection is never taken for a request",
        (f"{_ATTACKS}/test_framing.py", f"{_ATTACKS}/test_connections.py::test_a_head_is_bounded"),
    ),
    Attack(
        "A server's main process is killed (SIGKILL)",
        "nothing of it is left, and its port is free",
        (f"{_ATTACKS}/test_connections.py::test_a_server_whose_main_process_is_killed_leaves_its_port",),
    ),
    Attack(
        "Expensive lists, /metrics, documents and admin log-ins by many at once",
        "every order is paid; whoever looks too much is refused or waits",
        (
            f"{_ATTACKS}/test_expensive_looks.py",
            f"{_KIT}/test_admission.py",
            f"{_KIT}/test_scraping.py",
        ),
    ),
    Attack(
        "Another site's page that posts into a service on the reader's own network",
        "403 `cross_site` before the body is read; nothing moves",
        (
            f"{_KIT}/test_headers.py",
            f"{_ATTACKS}/test_the_edge.py::test_another_sites_page_moves_no_money_and_no_stock",
        ),
    ),
    Attack(
        "Card numbers where text goes",
        "refused before anything is stored or logged, and repeated in no error",
        (
            f"{_KIT}/test_cards.py",
            f"{_ATTACKS}/test_the_edge.py::test_a_card_number_in_a_name_or_a_reason_is_refused",
            f"{_ATTACKS}/test_the_edge.py::test_a_card_number_in_the_place_of_a_token_is_refused",
            f"{_ATTACKS}/test_the_edge.py::test_a_card_number_is_no_payment_method",
        ),
    ),
    Attack(
        "Lists of 320,000 elements, ids of 5,000 digits, headers that come twice or lie",
        "a short 4xx that costs little; nothing is executed",
        (
            f"{_ATTACKS}/test_the_edge.py::test_a_list_without_end_costs_nothing_and_is_answered_shortly",
            f"{_ATTACKS}/test_the_edge.py::test_ids_of_thousands_of_digits_are_no_ids",
            f"{_ATTACKS}/test_the_edge.py::test_a_header_that_comes_twice_is_refused",
            f"{_ATTACKS}/test_the_edge.py::test_a_key_that_comes_twice_charges_neither_amount",
            f"{_ATTACKS}/test_the_edge.py::test_a_lying_header_charges_nothing",
        ),
    ),
    Attack(
        "A product or payment service that lies: prices, quantities, lines, orders, statuses, pages of HTML, no end",
        "no lie is believed; the order ends with a reason, lets go of what it holds, and keeps no other waiting",
        (
            f"{_ATTACKS}/test_lying_peers.py",
            f"{_ORDERS}/test_unusable_answers.py",
            f"{_KIT}/test_peers.py",
        ),
    ),
    Attack(
        "One row that cannot be worked on",
        "the others are worked on in the same round; it waits longer each time, is counted and shown",
        (f"{_ORDERS}/test_one_bad_row.py", f"{_PAYMENTS}/test_one_bad_row.py"),
    ),
    Attack(
        "A stranger who holds, confirms or returns stock",
        "stock that no order needs comes back by itself; what an order needs stays",
        (f"{_ATTACKS}/test_stock_held_hostage.py", "product_stub/tests/test_releasing.py"),
    ),
    Attack(
        "Paying with what takes no real money, where a real gateway is configured",
        "refused at each way in; nothing is stored",
        (f"{_PAYMENTS}/test_real_money.py",),
    ),
)


def listed_tests() -> list[str]:
    """The files and single tests of all of them."""
    return [*(node for each in CATALOGUE for node in each.tests), *(node for each in ATTACKS for node in each.tests)]

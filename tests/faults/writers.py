"""Which functions write to a database, read from the source: each must be on somebody's way in the kill tests."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.stack import ROOT

# Where writes live; the rest of a service only calls these.
MODULES: Final = (
    "order_service/orders/writes.py",
    "payment_service/payments/writes/*.py",
    "payment_service/bank/books.py",
    "product_stub/catalog/writes.py",
    "servicekit/idempotency/keys.py",
    "servicekit/events/store.py",
    "servicekit/events/relay.py",
    "servicekit/webhooks/fan_out.py",
    "servicekit/webhooks/deliverer.py",
)
_WRITES: Final = frozenset(
    {"insert", "insert_many", "insert_prepared", "compare_and_set", "update", "create", "delete", "save"}
    | {"update_all", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "executemany"}
)
# Receivers whose methods have such names and write nothing.
_NOT_TABLES: Final = frozenset({"changes", "data", "counts", "sources", "written"})


def writing_functions() -> set[str]:
    """`module:function` of each function that writes itself, by a call with a name like `update` or `insert`."""
    files = sorted(path for pattern in MODULES for path in ROOT.glob(pattern))
    return {f"{_module(path)}:{name}" for path in files for name in _writing(ast.parse(path.read_text()))}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _writing(tree: ast.AST) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and any(_is_write(node) for node in _own(function)):
            yield function.name


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What is in a function, but not in functions inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from _own(node)


def _is_write(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=receiver))) if receiver in _NOT_TABLES:
            return False
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in _WRITES
    return False

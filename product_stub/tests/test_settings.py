"""The settings and the file that explains them."""

from pathlib import Path

from product_stub import settings

# Read only where DB_ENGINE is another engine than SQLite.
SERVER_DATABASE = {"DB_USER", "DB_PASSWORD", "DB_PASSWORD_FILE", "DB_HOST", "DB_PORT"}


def test_the_example_file_names_every_variable() -> None:
    """What settings.py reads is what .env.example explains, no more and no less."""
    example = Path(settings.__file__).with_name(".env.example").read_text(encoding="utf-8")
    lines = [line.lstrip("#") for line in example.splitlines() if "=" in line and not line.startswith("# ")]
    named = {line.partition("=")[0] for line in lines}
    assert named == set(settings.env.dump()) | SERVER_DATABASE

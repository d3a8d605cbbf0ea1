"""A seeded random soak: customers shop while services and workers are killed, frozen and cut off, then everything must
add up."""

"""HTTP to addresses that others choose."""

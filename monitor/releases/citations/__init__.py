"""Citations: a query, the time at which it was asked, and the digest of what it answered."""

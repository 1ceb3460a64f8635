"""What stands around every adapter, composed once, outside in: retry, circuit breaker, rate limit, metrics, audit."""

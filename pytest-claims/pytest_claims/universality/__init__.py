"""Many reports put together: which claims hold whatever the seed."""

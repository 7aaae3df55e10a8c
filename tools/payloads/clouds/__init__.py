"""What clouds and power markets offer: quotas, prices, notices. `offers.parse` knows each answer by its shape."""
